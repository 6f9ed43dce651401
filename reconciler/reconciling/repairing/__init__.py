"""What people do about findings: look at what a repair would do, do it, undo it, set aside, settle.

Nothing here decides what a finding is, nor what the books should say of a record.
"""
