"""The rules about money, pure: values in, values out, standard library only.

Nothing here reads a clock, a database or a network, and nothing here raises for a fact about the
world: what Stripe says is data, however odd.
"""
