"""What the test programs of `tests` share: reports, the node as a child process, raw sockets.

Python's standard library only. A runner puts `tests` in the place of its own folder in `sys.path`, so that
its modules are imported as `FOLDER.…` and shadow no others, and imports from here.
"""
