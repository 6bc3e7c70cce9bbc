#!/usr/bin/env bash
# Version: Apache 2.4.71 (Debian apache2-bin), with h2 4.4.1 as the client.
# Expected: with `H2WebSockets on` and `ProxyPass … upgrade=websocket`, a frame that an HTTP/1.1
#   upstream sends together with its 101 reaches a client of HTTP/2 (RFC 8441) at once.
# Seen: it is held until the upstream writes again, here 3 s later; sent 50 ms after the 101 the
#   same frame comes at once, and so it does to a client of HTTP/1.1.
# Exits with 0 if that is still so, with 1 if it changed.
set -euo pipefail
folder=$(mktemp -d)
apache_pid='' upstream_pid=''
clean_up() {
  for pid in $apache_pid $upstream_pid; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT
chmod 755 "$folder"
cd "$folder"
python3 -m venv venv
venv/bin/pip --disable-pip-version-check install --quiet h2==4.4.1
apt-get download -qq apache2-bin libapr1 libaprutil1 libnghttp2-14 >/dev/null 2>&1 ||
  { echo "apt-get update first: Debian's packages could not be had" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu
root/usr/sbin/apache2 -v | head -n 1

cat >upstream.py <<'PY'
"""A frame with the 101 for /together, 50 ms behind it for /apart; another one 3 s later."""
import base64
import hashlib
import socket
import threading
import time

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def serve(link):
    head = b""
    while b"\r\n\r\n" not in head:
        head += link.recv(65536)
    lines = head.decode("latin-1").split("\r\n")
    key = next(line.split(": ")[1] for line in lines if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    answer = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode()
    if "/apart" in lines[0]:
        link.sendall(answer)
        time.sleep(0.05)
        link.sendall(b"\x81\x05first")
    else:
        link.sendall(answer + b"\x81\x05first")
    time.sleep(3)
    link.sendall(b"\x81\x06second")
    time.sleep(1)
    link.close()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
PY
cat >client.py <<'PY'
"""Opens a WebSocket by HTTP/2; prints after how many seconds each frame came."""
import socket
import sys
import time

import h2.config
import h2.connection
import h2.events

link = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
http.initiate_connection()
link.sendall(http.data_to_send())
begin, frames, asked = time.monotonic(), b"", False
while b"second" not in frames:
    for event in http.receive_data(link.recv(65536)):
        if isinstance(event, h2.events.RemoteSettingsChanged) and not asked:
            asked = True
            http.send_headers(1, [(":method", "CONNECT"), (":protocol", "websocket"),
                                  (":scheme", "http"), (":path", sys.argv[2]),
                                  (":authority", "127.0.0.1"), ("sec-websocket-version", "13")])
        if isinstance(event, h2.events.DataReceived):
            frames += event.data
            print(f"{sys.argv[2]} after {time.monotonic() - begin:.1f} s: {event.data!r}")
    link.sendall(http.data_to_send())
PY
venv/bin/python upstream.py >port.txt &
upstream_pid=$!
for _ in $(seq 50); do [ -s port.txt ] && break; sleep 0.1; done
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
modules=$folder/root/usr/lib/apache2/modules
cat >httpd.conf <<CONF
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_http_module $modules/mod_proxy_http.so
LoadModule http2_module $modules/mod_http2.so
PidFile $folder/pid
ErrorLog $folder/error.log
ServerName localhost
Listen 127.0.0.1:$port
Protocols h2c http/1.1
H2WebSockets on
ProxyPass "/" "http://127.0.0.1:$(cat port.txt)/" upgrade=websocket
CONF
root/usr/sbin/apache2 -d "$folder" -f "$folder/httpd.conf" -c "DefaultRuntimeDir $folder" -D FOREGROUND &
apache_pid=$!
for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
timeout 20 venv/bin/python client.py "$port" /together | tee together.txt
timeout 20 venv/bin/python client.py "$port" /apart | tee apart.txt
# Held: both frames in one piece, or the first one only when the second was sent.
grep -q 'after [3-9]\..*first' together.txt && grep -q 'after 0\..*first' apart.txt
