"""A client that knows nothing of positions: it asks with `If-None-Match` for what changed, as any
cache does, with Python's urllib. The contract stands in run.py."""

import json
import platform
import time
import urllib.error
import urllib.request

import peer

POLL_SECONDS = 0.02


def main():
    options = peer.arguments()
    peer.say("client", "urllib", platform.python_version())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers, waiting = {}, []

    def ask():
        request = urllib.request.Request(options.url, headers=headers)
        try:
            with opener.open(request, timeout=20) as answer:
                headers["If-None-Match"] = answer.headers["ETag"]
                return json.load(answer)["publications"]
        except urllib.error.HTTPError as error:
            # urllib takes 304 for an error.
            assert error.code == 304, error
            return []

    def say_next():
        while not waiting:
            time.sleep(POLL_SECONDS)
            waiting.extend(ask())
        peer.say_publication(waiting.pop(0))

    ask()
    peer.say("open")
    peer.receive_all(options, say_next)
    peer.say_closed()


main()
