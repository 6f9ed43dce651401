"""What other people do: customers, banks, Stripe itself, somebody in the Dashboard."""
