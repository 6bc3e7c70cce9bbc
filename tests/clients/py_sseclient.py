"""A receiving client on Python's sseclient-py over urllib. The contract stands in run.py."""

import importlib.metadata
import urllib.request

import sseclient

import peer


def main():
    options = peer.arguments()
    peer.say("client", "sseclient-py", importlib.metadata.version("sseclient-py"))
    request = urllib.request.Request(options.url, headers={"Accept": "text/event-stream"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    client = sseclient.SSEClient(opener.open(request, timeout=20))
    events = client.events()
    # It says where the topic is.
    first = next(events)
    assert first.event == "position", first
    peer.say("open")

    def say_next():
        event = next(events)
        peer.say_event(event.event, event.data)

    peer.receive_all(options, say_next)
    client.close()
    peer.say_closed()


main()
