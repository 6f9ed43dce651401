"""What arrives by the clock: one small module per job, and the table that schedules them.

A job calls one use case. Must hold no logic of its own, and must not run what another instance
runs: `runner` claims each slot in the database first.
"""
