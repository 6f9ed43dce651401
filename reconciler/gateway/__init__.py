"""The one door to Stripe: typed snapshots in, named outcomes out.

The only package that imports `stripe`. Must not know the store, nor decide what a fact means for
money: that is `domain`.
"""
