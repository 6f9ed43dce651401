"""Proof: the audit of the simulated books, and recorded traffic played again."""
