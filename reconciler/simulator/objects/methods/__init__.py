"""How customers pay: test cards and bank accounts, payment methods, mandates, customers."""
