"""The balance: its ledger, transfers between accounts, payouts to banks, top-ups, reserves."""
