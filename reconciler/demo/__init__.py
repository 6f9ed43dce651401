"""The demo: a believable month on a simulated Stripe, the service on top, and its drift report.

Everything here drives the service through the doors that its users have: signed webhooks, the
checks that its jobs run, its API. Must not be imported by the service itself.
"""
