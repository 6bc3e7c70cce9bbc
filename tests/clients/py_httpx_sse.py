"""A receiving client on Python's httpx with httpx-sse. The contract stands in run.py."""

import importlib.metadata

import httpx
import httpx_sse

import peer


def main():
    options = peer.arguments()
    peer.say("client", "httpx-sse", importlib.metadata.version("httpx-sse"))
    timeout = httpx.Timeout(20)
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        with httpx_sse.connect_sse(client, "GET", options.url) as source:
            source.response.raise_for_status()
            events = source.iter_sse()
            # It says where the topic is.
            first = next(events)
            assert first.event == "position", first
            peer.say("open")

            def say_next():
                event = next(events)
                peer.say_event(event.event, event.data)

            peer.receive_all(options, say_next)
    peer.say_closed()


main()
