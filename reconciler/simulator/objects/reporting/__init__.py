"""Reports over the ledger, and files."""
