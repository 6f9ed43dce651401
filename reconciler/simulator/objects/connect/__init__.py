"""Accounts: what is known of them, what is required, what they may, and who may act for them."""
