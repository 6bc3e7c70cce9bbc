#!/usr/bin/env bash
# Python's http.client, and with it urllib3 2.6 and requests 2.32, take an interim answer other than 100 for the
# final one.
#
# Versions: Python 3.11.7 (http.client), urllib3 2.6.0, requests 2.32.5; httpx 0.28.1 beside them.
# Expected: RFC 9110, section 15.2: "A client MUST be able to parse one or more 1xx responses received prior to a
#   final response, even if the client does not expect one." A server or proxy may send 102 or 103 before its 200.
# Seen: http.client passes over 100 alone. For 103 and then 200 the application is given 103 without a body, and
#   the 200 is left on the connection. httpx gives 200.
# So a server that wants to be read by everybody sends no other interim answer than 100.
#
# Exits with 0 if that is still so, with 1 if it has changed.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check urllib3==2.6.0 requests==2.32.5 httpx==0.28.1
cat >"$dir/ask.py" <<'PYTHON'
import http.client
import socket
import sys
import threading

import httpx
import requests
import urllib3

FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
}


def serve(listener):
    """Each request gets the interim answer that its path names, and then 200."""
    while True:
        conn, _ = listener.accept()
        with conn:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = conn.recv(65536)
                if not piece:
                    break
                data += piece
            else:
                name = data.split(b" ")[1].strip(b"/").decode()
                conn.sendall(INTERIM[name] + FINAL)
                conn.settimeout(1)
                try:
                    conn.recv(1)
                except OSError:
                    pass


def by_http_client(port, name):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    link.request("GET", "/" + name)
    answer = link.getresponse()
    seen = answer.status, answer.read()
    link.close()
    return seen


def by_urllib3(port, name):
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        answer = pool.request("GET", f"http://127.0.0.1:{port}/{name}")
        return answer.status, answer.data


def by_requests(port, name):
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"http://127.0.0.1:{port}/{name}", timeout=5)
        return answer.status_code, answer.content


def by_httpx(port, name):
    answer = httpx.get(f"http://127.0.0.1:{port}/{name}", timeout=5, trust_env=False)
    return answer.status_code, answer.content


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
port = listener.getsockname()[1]
whole = (200, b"hello")
as_stated = True
for client in (by_http_client, by_urllib3, by_requests, by_httpx):
    for name in INTERIM:
        seen = client(port, name)
        interim = name != "100" and client is not by_httpx
        expected = (int(name), b"") if interim else whole
        as_stated = as_stated and seen == expected
        print(f"{client.__name__[3:]:12} {name} and then 200: {seen}")
sys.exit(0 if as_stated else 1)
PYTHON
"$dir/venv/bin/python" "$dir/ask.py"
