"""What every other room of the simulator stands on: state, time, chance, forms, lists, refusals.

It knows no object of Stripe by its rules, and imports nothing of the rooms above it.
"""
