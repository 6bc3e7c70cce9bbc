"""The tests behind proxies; `run.py` is the program."""
