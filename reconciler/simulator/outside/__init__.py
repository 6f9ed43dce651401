"""Not the API itself: acts of others, faults, webhooks on their way, controls, and proof."""
