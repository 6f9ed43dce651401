"""What the service knows and does. Knows nothing of HTTP routes or of the clock on the wall."""

__version__ = "0.1.0"
