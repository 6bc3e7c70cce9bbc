// A receiving client on npm's `websocket` (WebSocket-Node). The contract stands in run.py.
"use strict";
const { createHash } = require("node:crypto");
const { client: Client } = require("websocket");

const [url, count] = process.argv.slice(2);
const at = process.argv.indexOf("--publish");
let toPublish = at > 0 ? process.argv[at + 1] : undefined;
let left = Number(count);

function received(connection, message) {
  const data = message.type === "utf8" ? Buffer.from(message.utf8Data) : message.binaryData;
  const digest = createHash("sha256").update(data).digest("hex");
  console.log(`${message.type === "utf8" ? "text" : "binary"} ${digest} ${data.length}`);
  left -= 1;
  if (left > 0) return;
  if (toPublish === undefined) return connection.close(1000);
  connection.sendUTF(toPublish);
  toPublish = undefined;
  left = 1;
}

console.log(`client websocket ${require("websocket/package.json").version}`);
const client = new Client();
client.on("connectFailed", (error) => {
  console.error(error);
  process.exitCode = 1;
});
client.on("connect", (connection) => {
  connection.on("message", (message) => received(connection, message));
  connection.on("error", (error) => console.error(error));
  connection.on("close", (code) => {
    console.log(`closed ${code}`);
    process.exitCode = code === 1000 ? 0 : 1;
  });
  console.log("open");
});
client.connect(url);
