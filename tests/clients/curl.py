"""curl by each transport that it can read: `curl.py sse|stream|longpoll|etag URL N`. The contract
stands in run.py."""

import json
import os
import subprocess
import sys
import tempfile
import time

import peer

POLL_SECONDS = 0.02
# Never by a proxy; an error status is an exit code; nothing but the body on standard output.
CURL = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*"]


def follow(arguments):
    """A curl that goes on for ever, and its lines as they come."""
    child = subprocess.Popen([*CURL, "--no-buffer", *arguments], stdout=subprocess.PIPE)
    return child, (line.rstrip(b"\n").decode() for line in child.stdout)


def ask(arguments):
    """A curl that ends: its output."""
    return subprocess.run([*CURL, *arguments], stdout=subprocess.PIPE, check=True).stdout


def events(lines):
    """Name and data of each event."""
    event, data = "message", []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif not line:
            if data:
                yield event, "\n".join(data)
            event, data = "message", []


def sse(options):
    """Server-sent events."""
    child, lines = follow(["--header", "Accept: text/event-stream", options.url])
    source = events(lines)
    assert next(source)[0] == "position"
    peer.say("open")
    peer.receive_all(options, lambda: peer.say_event(*next(source)))
    child.kill()


def stream(options):
    """A JSON object a line."""
    child, lines = follow([f"{options.url}?mode=stream"])
    assert json.loads(next(lines))["recovered"] is True
    peer.say("open")
    peer.receive_all(options, lambda: peer.say_publication(json.loads(next(lines))))
    child.kill()


def polls(options, ask_next):
    """Asks until there is something."""
    waiting = []

    def say_next():
        while not waiting:
            waiting.extend(ask_next())
        peer.say_publication(waiting.pop(0))
    peer.say("open")
    peer.receive_all(options, say_next)


def longpoll(options):
    """Long polling behind the last position."""
    position = json.loads(ask([options.url]))["position"]

    def ask_next():
        nonlocal position
        page = json.loads(ask([f"{options.url}?mode=longpoll&after={position}&timeout=20s"]))
        assert page["recovered"], page
        position = page["position"]
        return page["publications"]
    polls(options, ask_next)


def etag(options):
    """Polling with a file for the ETag, and nothing else kept."""
    with tempfile.TemporaryDirectory(prefix="altavoz-curl-") as folder:
        kept, new = os.path.join(folder, "etag"), os.path.join(folder, "new")
        ask(["--etag-save", kept, options.url])

        def ask_next():
            time.sleep(POLL_SECONDS)
            page = ask(["--etag-compare", kept, "--etag-save", new, options.url])
            if not page:
                return []  # 304
            os.replace(new, kept)
            return json.loads(page)["publications"]
        polls(options, ask_next)


def main():
    way = sys.argv.pop(1)
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
    options = peer.arguments()
    peer.say("client", f"curl-{way}", version.stdout.split()[1])
    {"sse": sse, "stream": stream, "longpoll": longpoll, "etag": etag}[way](options)
    peer.say_closed()


main()
