"""A client that long-polls with Python's httpx. The contract stands in run.py."""

import httpx

import peer


def main():
    options = peer.arguments()
    peer.say("client", "httpx", httpx.__version__)
    with httpx.Client(trust_env=False, timeout=httpx.Timeout(40)) as client:
        page = client.get(options.url).raise_for_status().json()
        peer.say("open")
        waiting = page["publications"]

        def say_next():
            nonlocal page
            while not waiting:
                parameters = {"mode": "longpoll", "after": page["position"], "timeout": "20s"}
                page = client.get(options.url, params=parameters).raise_for_status().json()
                assert page["recovered"], page
                waiting.extend(page["publications"])
            peer.say_publication(waiting.pop(0))

        peer.receive_all(options, say_next)
    peer.say_closed()


main()
