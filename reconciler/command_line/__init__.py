"""The command line: one module for each group of commands. Must not do what no use case does."""
