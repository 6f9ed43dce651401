"""Connected accounts: opened, onboarded, read, adopted, watched and disconnected.

What Stripe says of an account is the only proof of where it stands. Must not move money.
"""
