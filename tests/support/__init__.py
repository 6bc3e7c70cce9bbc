"""What the test programs of `tests` share: reports, the node as a child process, raw sockets.

Python's standard library only. The runners add `tests` to `sys.path` and import from here.
"""
