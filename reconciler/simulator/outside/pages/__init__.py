"""Pages for people: what Stripe hosts for merchants and customers, and the console."""
