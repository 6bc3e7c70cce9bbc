#!/usr/bin/env bash
# Node's fetch takes a chunked body that was cut off for whole, if the head says `Connection: close`.
#
# npm: undici 6.24.1, which is the fetch of Node 20.20.2.
#
# Expected, by RFC 9112, section 8: "A message body that uses the chunked transfer coding is
# incomplete if the zero-sized chunk that terminates the encoding has not been received"; whether the
# connection was to be closed anyway makes no difference. So reading the body fails.
#
# Seen: undici ends the body as if it were over, with what came of it, in the middle of a chunk too,
# where the head has `Connection: close`; without that header reading fails. A reader of a stream that
# comes back only after an error never comes back. A server that streams in chunks does better without
# the header, also where it will close the connection.
#
# Exits with 0 if all of that is still so, with 1 if something changed.
set -euo pipefail

folder=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts undici@6.24.1

cat >server.py <<'PYTHON'
import http.server

class Cut(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        if "close" in self.path:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"9\r\ndata: a\n\n\r\n" + b"9\r\ndata" * ("half" in self.path))
        self.close_connection = True

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
mkfifo port
python3 server.py >port &
server=$!
address=http://127.0.0.1:$(head -n 1 port)

cat >client.mjs <<'JAVASCRIPT'
import { fetch } from "undici";
for (const path of ["kept", "kept-half", "close", "close-half"]) {
  let end = "ended";
  try {
    for await (const _ of (await fetch(`${process.argv[2]}/${path}`)).body);
  } catch {
    end = "failed";
  }
  console.log(path, end);
}
process.exit(0);
JAVASCRIPT

cat >expected <<'TEXT'
kept failed
kept-half failed
close ended
close-half ended
TEXT
echo "How a body without its last chunk ended, by what its head said:"
node client.mjs "$address" | tee seen
if diff expected seen >difference; then
  echo "as stated"
else
  echo "changed:" && cat difference
  exit 1
fi
