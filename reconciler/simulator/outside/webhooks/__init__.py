"""Webhooks on their way: queued, signed, sent again, and spoiled by drills."""
