"""What is shown to people and programs, and what watches over it: audit log, keys, health."""
