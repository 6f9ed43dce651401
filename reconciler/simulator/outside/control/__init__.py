"""Whoever rules this world: controls, faults, state, and a simulator that stands by itself."""
