"""Stripe's objects, a family to a module: what may be done to them, what moves, and what it says.

They know nothing of HTTP. A command is a function from a `Call` to the object it answers with.
"""
