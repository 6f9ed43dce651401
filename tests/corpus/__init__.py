"""The labelled corpus: months of a platform on a simulated Stripe, drawn from seeds, with planted
differences whose cause is known, and a judge that compares what the service says with the labels.

`python -m tests.corpus` runs it by the thousand; `test_corpus` runs a slice of it.
"""
