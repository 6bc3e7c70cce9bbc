"""The node as a process of a host and its supervisor: the sections of `run.py`."""
