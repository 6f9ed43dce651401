"""All SQL, and nothing else: one module per noun over the hardened database layer.

Functions take a session, so that the caller decides what is one transaction. Must not decide:
values come in decided, values go out as read. Must not know Stripe or HTTP.
"""
