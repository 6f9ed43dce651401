"""What comes from Stripe: events taken in and applied, objects read again, lists walked.

Everything that changes a record or the books because Stripe said so goes through `absorb`. Must not
compare anything: `reconciling` does.
"""
