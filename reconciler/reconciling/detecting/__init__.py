"""Detectors: each turns one part of what is open into findings.

A detector is a module with three names: `Seen`, plain data that can be kept; `gather`, which reads
it in the caller's session at a cost of what is open, not of what ever happened; and `detect`, pure,
which turns it into findings. Every cent of `Stripe minus books` is in exactly one finding: one that
repeats another about the same object, or says something beside the money, carries no difference.
Must not repair anything.
"""
