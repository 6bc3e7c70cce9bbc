"""Harm that clients can do to a node, one kind a module; run.py runs them."""
