"""Money out, exactly once: payouts and refunds decided, approved, sent, settled and taken back.

Every instruction is stored before it is sent and bound to what Stripe made of it. Must not call
Stripe inside a transaction.
"""
