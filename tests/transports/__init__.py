"""The transports' tests, one module a kind of promise; `run.py` is the program."""
