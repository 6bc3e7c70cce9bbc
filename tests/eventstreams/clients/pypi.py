"""Clients of server-sent events from PyPI: `pypi.py NAME URL...`.

The contract of all client programs stands in run.py. Each client reads every URL as its README
shows it, on a thread of its own; where a library only reads one answer, a loop around it comes
back with the last id it was given.
"""

import asyncio
import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
import threading
import time
import urllib.request

PAUSE_SECONDS = 0.2  # of the loops that are ours
_LOCK = threading.Lock()


def say(**line):
    """One line at once. The libraries' own prints go to standard error."""
    with _LOCK:
        OUT.write(json.dumps(line) + "\n")
        OUT.flush()


class Teller:
    """What becomes of one URL."""

    def __init__(self, n):
        self.n = n

    def event(self, name, data, id_):
        """An event that the library handed out."""
        say(n=self.n, **{"is": "event"}, name=name or "message", data=data or "", id=id_ or "")

    def cut(self, why=""):
        """A connection broke, and there will be another."""
        say(n=self.n, **{"is": "cut"}, why=f"{type(why).__name__}: {why}")

    def ended(self):
        """A stream ended as if it was over, and there will be another."""
        say(n=self.n, **{"is": "ended"})

    def over(self, why=""):
        """There will be no other."""
        say(n=self.n, **{"is": "over"}, why=f"{type(why).__name__}: {why}")


def by_hand(teller, read):
    """`read(last_id)` hands out events until a connection ends; ids are remembered here."""
    last = ""
    while True:
        try:
            for name, data, id_ in read(last):
                last = id_ or last
                teller.event(name, data, id_)
            teller.ended()
        except Exception as error:  # pylint: disable=broad-except # whatever a library raises
            teller.cut(error)
        time.sleep(PAUSE_SECONDS)


def resumed(last):
    """The headers of a request that comes back."""
    return {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}


def btubbs_sseclient(url, teller):
    """It reconnects by itself. Another package has a folder of its module's name."""
    folder = importlib.metadata.distribution("sseclient").locate_file("sseclient.py")
    spec = importlib.util.spec_from_file_location("btubbs_sseclient", folder)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for message in module.SSEClient(url, retry=500):
        teller.event(message.event, message.data, message.id)


def sseclient_py(url, teller):
    """It reads what it is given."""
    import sseclient

    def read(last):
        request = urllib.request.Request(url, headers=resumed(last))
        with urllib.request.urlopen(request, timeout=60) as answer:
            for event in sseclient.SSEClient(answer).events():
                yield event.event, event.data, event.id
    by_hand(teller, read)


def httpx_sse(url, teller):
    """Its README shows the loop."""
    import httpx
    import httpx_sse as library

    def read(last):
        with httpx.Client(trust_env=False, timeout=60) as client:
            with library.connect_sse(client, "GET", url, headers=resumed(last)) as source:
                source.response.raise_for_status()
                for event in source.iter_sse():
                    yield event.event, event.data, event.id
    by_hand(teller, read)


def requests_sse(url, teller):
    """It reconnects by itself."""
    import requests_sse as library
    from datetime import timedelta
    source = library.EventSource(url, timeout=60, reconnection_time=timedelta(milliseconds=500),
                                 on_error=teller.cut)
    with source:
        for event in source:
            teller.event(event.type, event.data, event.last_event_id)


def launchdarkly(url, teller):
    """It reconnects by itself where its strategy says so."""
    import ld_eventsource as library
    from ld_eventsource.actions import Event, Fault
    from ld_eventsource.config import ErrorStrategy
    client = library.SSEClient(url, error_strategy=ErrorStrategy.always_continue(),
                               initial_retry_delay=0.5)
    for action in client.all:
        if isinstance(action, Event):
            teller.event(action.event, action.data, action.last_event_id)
        elif isinstance(action, Fault):
            teller.cut(action.error or "")


def of_aiohttp(module):
    """Two packages of one face, which reconnect by themselves."""
    def read(url, teller):
        library = importlib.import_module(f"{module}.client")
        from datetime import timedelta

        async def run():
            source = library.EventSource(url, timeout=60, on_error=teller.cut, max_connect_retry=20,
                                         reconnection_time=timedelta(milliseconds=250))
            async with source:
                async for event in source:
                    teller.event(event.type, event.data, event.last_event_id)
        asyncio.run(run())
    return read


def aiosseclient(url, teller):
    """One answer after the other."""
    import aiosseclient as library

    async def run():
        last = ""
        while True:
            try:
                async for event in library.aiosseclient(url, last_id=last or None):
                    last = event.id or last
                    teller.event(event.event, event.data, event.id)
                teller.ended()
            except Exception as error:  # pylint: disable=broad-except
                teller.cut(error)
            await asyncio.sleep(PAUSE_SECONDS)
    asyncio.run(run())


CLIENTS = {
    "sseclient": btubbs_sseclient,
    "sseclient-py": sseclient_py,
    "httpx-sse": httpx_sse,
    "requests-sse": requests_sse,
    "launchdarkly-eventsource": launchdarkly,
    "aiohttp-sse-client": of_aiohttp("aiohttp_sse_client"),
    "aiohttp-sse-client2": of_aiohttp("aiohttp_sse_client2"),
    "aiosseclient": aiosseclient,
}


def run(client, url, teller):
    """One URL, to the end of the client."""
    try:
        client(url, teller)
        teller.over()
    except Exception as error:  # pylint: disable=broad-except # it is what the user would see
        teller.over(error)


def main():
    name, *urls = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    say(**{"is": "client"}, title=f"{name} {importlib.metadata.version(name)}")
    threads = [threading.Thread(target=run, args=(CLIENTS[name], url, Teller(n)), daemon=True)
               for n, url in enumerate(urls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


OUT = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
main()
