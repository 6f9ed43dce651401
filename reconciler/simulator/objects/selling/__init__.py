"""What is sold: the catalogue, discounts, subscriptions without invoices, checkout sessions."""
