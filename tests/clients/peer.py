"""What the Python clients share: arguments and lines. The contract stands in run.py."""

import argparse
import hashlib


def arguments():
    """`url`, `count` and `publish`, as run.py hands them over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--publish")
    return parser.parse_args()


def say(*words):
    """One line at once."""
    print(*words, flush=True)


def say_message(message):
    """The line of a message: `str` is text, `bytes` binary."""
    data = message.encode() if isinstance(message, str) else bytes(message)
    kind = "text" if isinstance(message, str) else "binary"
    say(kind, hashlib.sha256(data).hexdigest(), len(data))


def say_closed(code):
    """The last line; ends the program with 0 after a clean close."""
    say("closed", code)
    raise SystemExit(0 if code == 1000 else 1)


async def receive(options, next_message, send):
    """`count` messages; then, with `--publish`, one of our own and its echo."""
    for _ in range(options.count):
        say_message(await next_message())
    if options.publish is not None:
        await send(options.publish)
        say_message(await next_message())
