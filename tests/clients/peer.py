"""What the Python clients share: arguments and lines. The contract stands in run.py."""

import argparse
import base64
import hashlib
import json
import urllib.request


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


def say_event(event, data):
    """The line of a server-sent event; bytes come as an event `base64`."""
    assert event in ("message", "base64"), event
    say_message(base64.b64decode(data, validate=True) if event == "base64" else data)


def say_publication(publication):
    """The line of a publication as a JSON object. A value is written as it was published."""
    if "data" in publication:
        say_message(json.dumps(publication["data"], ensure_ascii=False))
    elif "text" in publication:
        say_message(publication["text"])
    else:
        say_message(base64.b64decode(publication["base64"], validate=True))


def say_closed(code=None):
    """The last line; ends the program with 0 after a clean close. HTTP knows no code."""
    say("closed", *([] if code is None else [code]))
    raise SystemExit(0 if code in (None, 1000) else 1)


def post(url, text):
    """Publishes a text, as a client of HTTP does."""
    request = urllib.request.Request(url.partition("?")[0], text.encode(),
                                     {"Content-Type": "text/plain; charset=utf-8"})
    # Whatever the environment says of proxies: this is for a node on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        assert answer.status == 200, answer.status


def receive_all(options, say_next):
    """What `receive` does, for clients without coroutines; `say_next` says one message."""
    for _ in range(options.count):
        say_next()
    if options.publish is not None:
        post(options.url, options.publish)
        say_next()


async def receive(options, next_message, send):
    """`count` messages; then, with `--publish`, one of our own and its echo."""
    for _ in range(options.count):
        say_message(await next_message())
    if options.publish is not None:
        await send(options.publish)
        say_message(await next_message())
