"""Stripe's HTTP: who asks, what may be asked, in which version, how often, and what was answered.

No rule about money lives here.
"""
