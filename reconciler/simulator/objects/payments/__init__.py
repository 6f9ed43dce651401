"""Money in: payments and their charges, by every way of paying, for every kind of account."""
