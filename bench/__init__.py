"""Speed, measured as ratios against a reference in the same run: `python -m bench`.

One module per measurement; `outcome` says what a measurement tells, `events` makes what Stripe
would send. Must not be imported by the service, and promises nothing about absolute numbers: other
work on the machine moves both sides alike.
"""
