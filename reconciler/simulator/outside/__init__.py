"""What is not Stripe's API: acts of other people, faults, webhooks on their way, controls, proof."""
