"""Compare: what Stripe says beside what the books say, every difference with its cause, one run.

A comparison changes no record and no book; repairs are a use case of their own.
"""
