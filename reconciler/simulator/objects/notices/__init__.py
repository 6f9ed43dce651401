"""News: events, thin events, and where they are sent."""
