"""Customers, their saved cards, and the invoices that are debited from them.

No card number ever comes in here: only Stripe's ids of payment methods.
"""
