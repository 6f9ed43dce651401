"""Money back: refunds, disputes, early fraud warnings."""
