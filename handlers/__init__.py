"""What arrives over HTTP: parse, authorise, call one use case or query, answer.

Must not decide anything about money, and must not hold SQL or call Stripe by itself.
"""
