// altavoz.js in a real browser, against nodes that are killed, drained and restarted, and through a
// network that lets some transports pass and others not.
//
//   node client.mjs BINARY        e.g. node client.mjs target/release/altavoz
//
// What was published is known here; what a page received is held against it: complete, in order, once,
// or with a `reset` before what follows a gap. No check depends on how long something took.
// Prints "ok - …" or "not ok - …" a check and ends with "N passed, N failed"; exit code 1 if any failed.

import { Middlebox, Node, check, equal, finish, launch, listen, metric, pathOf, post, sleep, until } from "./support.mjs";

const [binary] = process.argv.slice(2);
if (!binary) {
  console.error("usage: node client.mjs BINARY");
  process.exit(2);
}
/** Longer than the node's longest retry= (5 s) and a browser's own reconnecting (3 s). */
const PATIENCE_MS = 25_000;
const TRANSPORTS = ["websocket", "sse", "longpoll"];
const HISTORY = 10;
/** Shorter than in earnest, so that the run is; the order of things stays the same. */
const TIMING = { open: 1500, backoffFirst: 100, backoffMost: 400 };
const complaints = [];
const opened = [];
let topics = 0;

/** A check, whose pages are closed however it ends. */
async function scene(name, body) {
  await check(name, body);
  for (const page of opened.splice(0)) await page.close();
}

// ---- What was published ----

/** A payload of each kind in turn, with what a line or an event could stumble over. */
function sample(i) {
  const kinds = [
    { kind: "text", type: "text/plain", body: `text ${i}`, value: `text ${i}` },
    { kind: "json", type: "application/json", body: `{"n":\n${i},"s":"a\u2028b"}`, value: { n: i, s: "a\u2028b" } },
    { kind: "binary", type: "application/octet-stream", body: new Uint8Array([0, 255, 13, 10, i % 256]), value: [0, 255, 13, 10, i % 256] },
    { kind: "text", type: "text/plain", body: `\n${i}\r\n: x\n\ndata: ü`, value: `\n${i}\r\n: x\n\ndata: ü` },
    { kind: "json", type: "application/json", body: "null", value: null },
    { kind: "binary", type: "application/octet-stream", body: "", value: [] },
    { kind: "text", type: "text/plain", body: "", value: "" },
  ];
  return kinds[i % kinds.length];
}

class Topic {
  name = `client-${topics += 1}/a b`; published = new Map(); last = "";
  #base; #headers; #count = 0;
  constructor(base, headers = {}) { this.#base = base; this.#headers = headers; }
  get path() { return pathOf(this.name); }
  async publish(times = 1) {
    for (let i = 0; i < times; i += 1) {
      const one = sample(this.#count++);
      const { position } = await post(this.#base, this.name, one.body, one.type, this.#headers);
      this.published.set(position, one);
      this.last = position;
    }
  }
  /** Publishes all the while that `body` runs, a little apart. */
  async during(body) {
    let going = true;
    const source = (async () => { while (going) { await this.publish(); await sleep(5); } })();
    try { return await body(); } finally { going = false; await source; }
  }
}

const split = (position) => { const at = position.lastIndexOf(":"); return [position.slice(0, at), Number(position.slice(at + 1))]; };

/** Everything that was published behind the first `open` is there, in order and once, or a `reset` is before what follows. */
function isWhole(log, topic) {
  let at = null, isAnnounced = false;
  const newest = new Map();
  for (const event of log) {
    if (event.type === "open") at ??= split(event.position);
    if (event.type === "reset") { equal(event.recovered, false, "a reset's recovered"); isAnnounced = true; }
    if (event.type !== "message") continue;
    const [epoch, offset] = split(event.position), wanted = topic.published.get(event.position);
    if (!wanted) throw new Error(`nobody published ${event.position}`);
    equal([event.kind, event.data], [wanted.kind, wanted.value], `payload of ${event.position}`);
    equal([event.offset, event.lastEventId, event.now], [offset, event.position, event.position], `fields of ${event.position}`);
    if (offset <= (newest.get(epoch) ?? -1)) throw new Error(`${event.position} came after ${newest.get(epoch)}`);
    if (!isAnnounced) equal([epoch, offset - (event.conflated ?? 1)], at, `what was known before ${event.position}`);
    isAnnounced = false;
    newest.set(epoch, offset);
    at = [epoch, offset];
  }
}
const resets = (log) => log.filter((event) => event.type === "reset").length;
const closes = (log) => log.filter((event) => event.type === "close");

// ---- What a page has of it ----

/** A page of the node without a script of its own, with altavoz.js loaded. */
async function open(context, base, timing = {}) {
  const page = await context.newPage();
  opened.push(page);
  listen(page, base, complaints);
  await page.goto(`${base}/healthz`);
  await page.addScriptTag({ url: `${base}/altavoz.js` });
  await page.evaluate((given) => {
    Object.assign(Altavoz.timing, given);
    globalThis.readers = {};
    globalThis.read = (name, path, options) => {
      const reader = new Altavoz(path, options), log = [];
      const plain = (data) => data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data;
      reader.addEventListener("message", (event) => log.push({
        type: "message", data: plain(event.data), kind: event.kind, offset: event.offset, position: event.position,
        lastEventId: event.lastEventId, conflated: event.conflated, now: reader.position,
      }));
      for (const type of ["open", "reset", "close"]) reader.addEventListener(type, (event) => log.push({ type, ...event.detail }));
      globalThis.readers[name] = { reader, log };
    };
  }, { ...TIMING, ...timing });
  return page;
}
class Reader {
  #page; #name; #topic;
  constructor(page, topic, name) { this.#page = page; this.#topic = topic; this.#name = name; }
  static async open(page, topic, options = {}, name = `r${Math.random()}`) {
    await page.evaluate(([id, path, given]) => globalThis.read(id, path, given), [name, topic.path, options]);
    return new Reader(page, topic, name);
  }
  log() { return this.#page.evaluate((name) => globalThis.readers[name].log, this.#name); }
  transport() { return this.#page.evaluate((name) => globalThis.readers[name].reader.transport, this.#name); }
  position() { return this.#page.evaluate((name) => globalThis.readers[name].reader.position, this.#name); }
  close() { return this.#page.evaluate((name) => globalThis.readers[name].reader.close(), this.#name); }
  async connected(by) {
    await until(`connected by ${by ?? "anything"}`, async () => { const now = await this.transport(); return by ? now === by : now; }, PATIENCE_MS);
    return this;
  }
  async closed() {
    return until("a close", async () => closes(await this.log())[0], PATIENCE_MS);
  }
  /** Has come to the last publication, with nothing missing that was not announced. */
  async isWhole() {
    const { last } = this.#topic;
    try {
      await until(`the publication ${last}`, async () => (await this.log()).some((event) => event.type === "message" && event.position === last), PATIENCE_MS);
    } catch (error) {
      const tail = (await this.log()).slice(-4).map((event) => JSON.stringify(event));
      throw new Error(`${error.message}\n${tail.join("\n")}`);
    }
    const log = await this.log();
    isWhole(log, this.#topic);
    return log;
  }
}

// ---- Checks ----

async function each(context, node) {
  for (const transport of TRANSPORTS) {
    await scene(`${transport}: each kind of payload arrives as it was published`, async () => {
      const page = await open(context, node.base), topic = new Topic(node.base);
      await topic.publish(3); // before anybody reads: nobody's
      const reader = await (await Reader.open(page, topic, { transports: [transport] })).connected(transport);
      await topic.publish(20);
      equal((await reader.isWhole()).filter((event) => event.type === "message").length, 20, "messages");
      equal(await reader.position(), topic.last, "position");
    });
    await scene(`${transport}: "earliest" begins with all that is kept, and a position behind it`, async () => {
      const page = await open(context, node.base), topic = new Topic(node.base);
      await topic.publish(4);
      const [epoch] = split(topic.last);
      const all = await Reader.open(page, topic, { transports: [transport], after: "earliest" });
      const some = await Reader.open(page, topic, { transports: [transport], after: `${epoch}:2` });
      await Promise.all([all.connected(), some.connected()]);
      await topic.publish(2);
      for (const [reader, offsets] of [[all, [1, 2, 3, 4, 5, 6]], [some, [3, 4, 5, 6]]]) {
        const log = await reader.isWhole();
        equal(log.filter((event) => event.type === "message").map((event) => event.offset), offsets, "offsets");
        equal(resets(log), 0, "resets");
      }
    });
    await scene(`${transport}: a position of another life is announced`, async () => {
      const page = await open(context, node.base), topic = new Topic(node.base);
      await topic.publish(2);
      const reader = await Reader.open(page, topic, { transports: [transport], after: "gone:7" });
      const log = await reader.isWhole();
      equal(log.map((event) => event.type), ["open", "reset", "message", "message"], "events");
      equal(log[1].position, topic.last, "where the topic is");
    });
    await scene(`${transport}: conflated messages say for how many they stand, and none is forgotten`, async () => {
      const page = await open(context, node.base), topic = new Topic(node.base);
      const reader = await (await Reader.open(page, topic, { transports: [transport], conflate: 1000 })).connected();
      await topic.publish(20);
      const log = await reader.isWhole(), messages = log.filter((event) => event.type === "message");
      equal(messages.reduce((sum, message) => sum + message.conflated, 0), 20, "publications in all messages");
      equal(messages.length < 20, true, "fewer messages than publications");
    });
  }
  await scene("publish answers with the node's words, and rejects with them", async () => {
    const page = await open(context, node.base);
    const said = await page.evaluate(async () => {
      const good = new Altavoz("/topics/words"), fine = [await good.publish("a"), await good.publish({ a: 1 }), await good.publish(new Uint8Array([1]))];
      await good.publish(new Blob(["x".repeat(1_100_000)])).catch((error) => fine.push([error instanceof Error, error.status, error.message]));
      good.close();
      return fine;
    });
    equal(said.slice(0, 3).map((answer) => answer.offset), [1, 2, 3], "offsets");
    equal(said[3].slice(0, 2), [true, 413], "a body that is too long");
    equal(said[3][2].length > 10, true, "the node's words");
  });
  await scene("a module may import it, and it says what it cannot understand", async () => {
    const page = await open(context, node.base);
    const words = await page.evaluate(async () => {
      const loaded = globalThis.Altavoz;
      await import("/altavoz.js");
      if (globalThis.Altavoz === loaded) return ["not loaded"];
      const wrong = (...said) => { try { new Altavoz(...said).close(); return "taken"; } catch (error) { return error.constructor.name; } };
      return [wrong("/topics/a", { transports: ["smoke"] }), wrong("/topics/a", { transports: [] }), wrong("/topics/a", { conflate: "500ms" }), wrong("/topics/a")];
    });
    equal(words, ["TypeError", "TypeError", "TypeError", "taken"], "constructor");
  });
}

/** What stands in the way, and by what a reader then comes through. */
const WAYS = [
  ["a WebSocket whose handshake is refused", { websocket: { status: 400 } }, "sse"],
  ["a WebSocket whose connection is cut", { websocket: "cut" }, "sse"],
  ["a WebSocket whose handshake is never answered", { websocket: "hang" }, "sse"],
  ["a WebSocket that opens and then says nothing", { websocket: "mute" }, "sse"],
  ["event streams that are held back", { websocket: "cut", sse: "hang" }, "longpoll"],
  ["event streams whose head comes and nothing else", { websocket: "cut", sse: "mute" }, "longpoll"],
  ["event streams in whose place a page comes", { websocket: "cut", sse: { status: 200, headers: { "Content-Type": "text/html" }, body: "<p>sign in" } }, "longpoll"],
];

async function fallsBack(context, node) {
  const box = await new Middlebox(node.port).start();
  for (const [name, rules, transport] of WAYS) {
    await scene(`${name}: ${transport} takes over, and nothing is lost`, async () => {
      box.rules = rules;
      const page = await open(context, box.base), topic = new Topic(node.base);
      const reader = await (await Reader.open(page, topic)).connected(transport);
      await topic.publish(9);
      const log = await reader.isWhole();
      equal(resets(log), 0, "resets");
      equal(closes(log).every((event) => !event.opened && !event.final), true, "each close was of a transport that did not open");
    });
  }
  await scene("a browser without WebSockets reads all the same", async () => {
    box.rules = {};
    const page = await open(context, box.base), topic = new Topic(node.base);
    await page.evaluate(() => { globalThis.WebSocket = class { constructor() { throw new DOMException("not here", "SecurityError"); } }; });
    const reader = await (await Reader.open(page, topic)).connected("sse");
    await topic.publish(3);
    await reader.isWhole();
  });
  await scene("an event whose data is several lines is one, and the end of its stream is no loss", async () => {
    const body = 'event: position\ndata: {"position":"a:0","recovered":true}\nid: a:0\n\ndata: {"offset":1,\ndata: "data":[1,\ndata: 2]}\nid: a:1\n\n:\nevent: close\ndata: {"code":1001,"reason":"retry=7"}\n\n';
    box.rules = { sse: { status: 200, headers: { "Content-Type": "text/event-stream" }, body } };
    const page = await open(context, box.base), topic = new Topic(node.base);
    const reader = await Reader.open(page, topic, { transports: ["sse"] });
    const ended = await reader.closed();
    equal([ended.code, ended.wait, ended.opened], [1001, 7, true], "close");
    await until("it came back behind it", () => box.seen.some((one) => /after=a%3A1/.test(one.url)));
    equal((await reader.log()).filter((event) => event.type === "message").map((event) => event.data), [[1, 2]], "messages");
  });
  await scene("when a better transport gets through again, it takes over without a gap, a repeat or a close", async () => {
    box.rules = { websocket: "cut", sse: "cut" };
    const page = await open(context, box.base, { upgrade: 150 }), topic = new Topic(node.base);
    const reader = await (await Reader.open(page, topic)).connected("longpoll");
    const before = closes(await reader.log()).length;
    await topic.during(async () => {
      box.rules = { websocket: "cut" };
      await reader.connected("sse");
      box.rules = {};
      await reader.connected("websocket");
    });
    const log = await reader.isWhole();
    equal([resets(log), closes(log).length - before], [0, 0], "resets and closes");
    equal(log.filter((event) => event.type === "open").map((event) => event.transport), ["longpoll", "sse", "websocket"], "transports");
    const left = () => Promise.all(["altavoz_websockets", "altavoz_event_streams", "altavoz_long_polls"].map((name) => metric(node.base, name)));
    await until("the node has the WebSocket alone", async () => JSON.stringify(await left()) === "[1,0,0]");
  });
  await scene("what has worked is tried three times before all are tried again from the top", async () => {
    box.rules = {};
    const page = await open(context, box.base), topic = new Topic(node.base);
    const reader = await (await Reader.open(page, topic)).connected("websocket");
    box.rules = { websocket: "cut" };
    box.seen.length = 0;
    box.breakAll();
    await reader.connected("sse");
    const asked = box.seen.map((one) => one.kind).filter((kind) => TRANSPORTS.includes(kind));
    equal(asked.slice(0, 5), ["websocket", "websocket", "websocket", "websocket", "sse"], "three tries, and the ladder");
  });
  await scene("between tries it waits at random, up to a bound that doubles to a most", async () => {
    box.rules = {};
    const page = await open(context, box.base), topic = new Topic(node.base);
    const reader = await (await Reader.open(page, topic, { transports: ["sse"] })).connected("sse");
    box.rules = { sse: "cut" };
    box.breakAll();
    const waits = await until("nine tries", async () => { const all = closes(await reader.log()); return all.length >= 9 && all.map((one) => one.wait); }, PATIENCE_MS);
    equal(closes(await reader.log()).slice(1).every((one) => one.reason === "the node does not answer" && !one.opened), true, "reasons");
    const bounds = waits.map((_, i) => Math.min(TIMING.backoffMost, TIMING.backoffFirst * 2 ** i));
    equal(waits.filter((wait, i) => wait > bounds[i]), [], "longer waits than they may be");
    equal(new Set(waits).size > 1 && waits.some((wait) => wait > TIMING.backoffFirst), true, "waits that differ and grow");
  });
  await scene("who comes back by a lesser transport looks for a better one soon", async () => {
    box.rules = { websocket: "cut" };
    const page = await open(context, box.base), topic = new Topic(node.base);
    const reader = await (await Reader.open(page, topic)).connected("sse");
    box.rules = {};
    await topic.during(async () => {
      box.breakAll();
      await reader.connected("websocket");
    });
    equal(resets(await reader.isWhole()), 0, "resets");
  });
  box.stop();
}

async function offline(context, node) {
  for (const transport of TRANSPORTS) {
    const box = await new Middlebox(node.port).start();
    await scene(`${transport}: what was missed within history comes, and more than history keeps is announced`, async () => {
      const page = await open(context, box.base), topic = new Topic(node.base);
      const reader = await (await Reader.open(page, topic, { transports: [transport] })).connected();
      await topic.publish(3);
      await reader.isWhole();
      box.down = true;
      await topic.publish(HISTORY);
      box.down = false;
      equal(resets(await reader.isWhole()), 0, "resets after a short while");
      box.down = true;
      await topic.publish(5 * HISTORY);
      box.down = false;
      const log = await reader.isWhole();
      equal(resets(log) >= 1, true, "a reset after a flood");
      equal(log.filter((event) => event.type === "message").length, 3 + HISTORY + HISTORY, "messages: all that is kept follows");
    });
    await scene(`${transport}: connections that break all the time lose nothing`, async () => {
      const page = await open(context, box.base), topic = new Topic(node.base);
      const reader = await (await Reader.open(page, topic, { transports: [transport] })).connected();
      for (let i = 0; i < 5; i += 1) {
        await topic.publish(2);
        box.breakAll();
        await topic.publish(1);
        await reader.isWhole();
      }
      equal(resets(await reader.isWhole()), 0, "resets");
    });
    box.stop();
  }
  await scene("a network that changes is a reason to connect again", async () => {
    const page = await open(context, node.base), topic = new Topic(node.base);
    const reader = await (await Reader.open(page, topic)).connected("websocket");
    await topic.publish(2);
    await reader.isWhole();
    await page.evaluate(() => globalThis.dispatchEvent(new Event("online")));
    await reader.closed();
    await reader.connected();
    await topic.publish(2);
    equal(resets(await reader.isWhole()), 0, "resets");
  });
  await scene("a message that got lost on the way is noticed and fetched", async () => {
    const page = await open(context, node.base), topic = new Topic(node.base);
    let swallow = 1;
    await page.routeWebSocket(/\/topics\//, (socket) => {
      const onward = socket.connectToServer();
      onward.onMessage((message) => { if (!(/"offset":2\b/.test(message) && swallow-- > 0)) socket.send(message); });
    });
    const reader = await (await Reader.open(page, topic, { transports: ["websocket"] })).connected();
    await topic.publish(4);
    const log = await reader.isWhole();
    equal([resets(log), /publications are missing/.test(closes(log)[0]?.reason)], [0, true], "no reset, and a close that says why");
  });
}

async function restarts(browser) {
  for (const transports of [...TRANSPORTS.map((one) => [one]), TRANSPORTS]) {
    const name = transports.length > 1 ? "any" : transports[0];
    for (const signal of ["SIGKILL", "SIGTERM"]) {
      const node = await new Node(binary).start();
      const context = await browser.newContext();
      await scene(`${name}: after ${signal} and a restart the reader is back, and the new life is announced`, async () => {
        const page = await open(context, node.base), topic = new Topic(node.base);
        const reader = await (await Reader.open(page, topic, { transports })).connected(transports[0]);
        await topic.publish(4);
        await reader.isWhole();
        await node.stop(signal);
        const { final, code, reason, wait } = await reader.closed();
        equal(final, false, "final");
        const told = /retry=(\d+)/.exec(reason)?.[1];
        if (signal === "SIGTERM" && transports[0] !== "longpoll") equal([code, wait], [1001, Number(told)], "a drain's code, and the wait that it asks for");
        await node.start();
        await reader.connected();
        await topic.publish(3);
        equal(resets(await reader.isWhole()) >= 1, true, "a reset");
      });
      await context.close();
      await node.stop();
    }
  }
}

async function refusals(browser) {
  const node = await new Node(binary, ["--publish-key", "right", "--anonymous", "none"]).start();
  const box = await new Middlebox(node.port).start(), context = await browser.newContext();
  const topic = { path: "/topics/locked" };
  for (const transport of TRANSPORTS) {
    await scene(`${transport}: a refusal is final and says why, and a key opens`, async () => {
      const page = await open(context, box.base);
      const refused = await (await Reader.open(page, topic, { transports: [transport] })).closed();
      equal([refused.final, refused.status, refused.opened], [true, 401, false], "without a key");
      equal(refused.reason.length > 10, true, "the node's words");
      const malformed = await (await Reader.open(page, topic, { transports: [transport], token: "right", after: "?" })).closed();
      equal([malformed.final, malformed.status], [true, 400], "a position that is none");
      box.seen.length = 0;
      await (await Reader.open(page, topic, { transports: [transport], token: "right" })).connected();
      const asked = box.seen.filter((one) => one.url.startsWith("/topics/"));
      equal(asked.every((one) => one.kind === "websocket" ? /token=right/.test(one.url) : one.headers.authorization === "Bearer right" && !/token/.test(one.url)), true, "the key is in a header wherever one can be set");
    });
  }
  await scene("503 with Retry-After is waited for, and 1008 is final", async () => {
    box.rules = { websocket: { status: 503 }, poll: { status: 503, headers: { "Retry-After": "2" } } };
    const page = await open(context, box.base);
    const busy = await (await Reader.open(page, topic, { token: "right" })).closed();
    equal([busy.final, busy.status, busy.wait >= 2000 && busy.wait <= 3000], [false, 503, true], "a wait from 2 s on");
    box.rules = {};
    await page.routeWebSocket(/\/topics\//, (socket) => {
      socket.send('{"position":"a:1","recovered":true}');
      socket.close({ code: 1008, reason: "token expired" });
    });
    const expired = await (await Reader.open(page, topic, { token: "right" })).closed();
    equal([expired.final, expired.code, expired.reason, expired.opened], [true, 1008, "token expired", true], "a policy's close");
  });
  await context.close();
  box.stop();
  await node.stop();
}

async function ofAnotherSite(browser, node) {
  const box = await new Middlebox(node.port).start(), context = await browser.newContext();
  const locked = await new Node(binary, ["--publish-key", "right", "--anonymous", "none", "--allow-origin", box.base]).start();
  for (const transport of TRANSPORTS) {
    await scene(`${transport}: a page of an allowed site reads and publishes with a key, and is told why it is refused`, async () => {
      const page = await open(context, box.base), topic = new Topic(locked.base, { Authorization: "Bearer right" });
      await page.addScriptTag({ url: `${locked.base}/altavoz.js` });
      const address = { path: locked.base + topic.path };
      const refused = await (await Reader.open(page, address, { transports: [transport] })).closed();
      equal([refused.final, refused.status], [true, 401], "without a key");
      const reader = await (await Reader.open(page, { ...address, get last() { return topic.last; }, published: topic.published }, { transports: [transport], token: "right" }, "mine")).connected();
      await topic.publish(3);
      const { position } = await page.evaluate(() => globalThis.readers.mine.reader.publish("of another site"));
      topic.published.set(topic.last = position, { kind: "text", value: "of another site" });
      equal(resets(await reader.isWhole()), 0, "resets");
    });
  }
  await context.close();
  box.stop();
  await locked.stop();
}

async function tabs(browser, node) {
  const box = await new Middlebox(node.port).start();
  for (const [name, rules, transport] of [["", {}, "websocket"], [" without WebSockets", { websocket: "cut" }, "sse"], [" with long polling alone", { websocket: "cut", sse: "cut" }, "longpoll"]]) {
    await scene(`three tabs at once${name} read everything, and publish`, async () => {
      box.rules = rules;
      const context = await browser.newContext(), topic = new Topic(node.base);
      const pages = [await open(context, box.base), await open(context, box.base), await open(context, box.base)];
      const readers = await Promise.all(pages.map((page) => Reader.open(page, topic)));
      await Promise.all(readers.map((reader) => reader.connected(transport)));
      for (const page of pages) {
        const { position } = await page.evaluate((path) => Object.values(globalThis.readers)[0].reader.publish(path), topic.path);
        topic.published.set(position, { kind: "text", value: topic.path });
      }
      await topic.publish(5);
      for (const reader of readers) equal((await reader.isWhole()).filter((event) => event.type === "message").length, 8, "messages");
      await context.close();
    });
  }
  await scene("the seventh held connection to a host says what is in its way, and comes when there is room", async () => {
    const context = await browser.newContext(), page = await open(context, node.base), topic = new Topic(node.base);
    const readers = [];
    for (let i = 0; i < 6; i += 1) readers.push(await (await Reader.open(page, topic, { transports: ["sse"] })).connected());
    const seventh = await Reader.open(page, topic, { transports: ["sse"] });
    equal(/6 HTTP\/1\.1 connections/.test((await seventh.closed()).reason), true, "the reason");
    await readers.pop().close();
    await seventh.connected();
    await topic.publish(2);
    for (const reader of [...readers, seventh]) await reader.isWhole();
    await context.close();
  });
  box.stop();
}

async function leavesNothing(context, node) {
  for (const transport of TRANSPORTS) {
    await scene(`${transport}: close() leaves no connection, no timer and no further word`, async () => {
      const box = await new Middlebox(node.port).start();
      // While they live they wait for the next look at a better transport, or look.
      const page = await open(context, box.base, { upgrade: 100 }), topic = new Topic(node.base);
      const ladder = transport === "websocket" ? [transport] : ["websocket", transport];
      if (ladder.length > 1) box.rules = { websocket: "cut" };
      const readers = [];
      for (let i = 0; i < 4; i += 1) readers.push(await (await Reader.open(page, topic, { transports: ladder })).connected(transport));
      for (const reader of readers) await reader.close();
      const gauges = ["altavoz_subscriptions", "altavoz_websockets", "altavoz_event_streams", "altavoz_long_polls"];
      await until("the node has no reader", async () => (await Promise.all(gauges.map((name) => metric(node.base, name)))).every((n) => n === 0));
      box.seen.length = 0;
      await topic.publish(2);
      await sleep(500);
      equal(box.seen.length, 0, "requests after it");
      for (const reader of readers) {
        const log = await reader.log();
        equal([log.at(-1).type, log.at(-1).final, log.filter((event) => event.type === "message").length], ["close", true, 0], "the last event");
        equal(await reader.transport(), null, "transport");
      }
      box.stop();
    });
  }
}

/** Without altavoz.js: what a browser has of its own. */
async function plain(context, node) {
  const box = await new Middlebox(node.port).start();
  await scene("EventSource by itself comes back behind its last id, and a gap is an event reset", async () => {
    const page = await open(context, box.base), topic = new Topic(node.base);
    await page.evaluate((path) => {
      globalThis.log = [];
      const source = globalThis.source = new EventSource(path);
      const keep = (type, kind) => source.addEventListener(type, ({ data, lastEventId }) => globalThis.log.push({ type, kind, data, lastEventId }));
      source.addEventListener("open", () => globalThis.log.push({ type: "open" }));
      keep("message", "text"); keep("base64", "binary"); keep("reset");
    }, topic.path);
    const log = () => page.evaluate(() => globalThis.log);
    const reached = () => until(`the event ${topic.last}`, async () => (await log()).some((event) => event.lastEventId === topic.last && event.kind), PATIENCE_MS);
    const ids = async () => (await log()).filter((event) => event.kind).map((event) => split(event.lastEventId)[1]);
    const run = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
    await until("open", async () => (await log()).some((event) => event.type === "open"));
    await topic.publish(7);
    await reached();
    box.down = true;
    await topic.publish(5);
    box.down = false;
    await reached();
    equal(await ids(), run(1, 12), "ids, once each");
    equal((await log()).some((event) => event.type === "reset"), false, "reset");
    box.down = true;
    await topic.publish(3 * HISTORY);
    box.down = false;
    await reached();
    equal((await log()).filter((event) => event.type === "reset").map((event) => JSON.parse(event.data)), [{ position: topic.last, recovered: false }], "resets");
    equal(await ids(), [...run(1, 12), ...run(12 + 2 * HISTORY + 1, 12 + 3 * HISTORY)], "ids, with the gap that was announced");
    const texts = (await log()).filter((event) => event.type === "message").map((event) => [topic.published.get(event.lastEventId), event.data]);
    equal(texts.filter(([one]) => one.kind === "text").every(([one, data]) => one.value === data), true, "texts");
    await page.evaluate(() => globalThis.source.close());
  });
  await scene("a stream by fetch, a WebSocket and an EventSource in one page bring the same", async () => {
    const page = await open(context, node.base), topic = new Topic(node.base);
    await page.evaluate((path) => {
      const seen = globalThis.seen = { stream: [], websocket: [], events: [] };
      const address = new URL(path, location.href);
      new WebSocket(`${address.href.replace("http", "ws")}?format=json`).onmessage = ({ data }) => seen.websocket.push(JSON.parse(data));
      const source = new EventSource(`${path}?format=json`);
      source.onopen = () => seen.events.push({});
      source.onmessage = ({ data }) => seen.events.push(JSON.parse(data));
      (async () => {
        const reader = (await fetch(`${path}?mode=stream`)).body.pipeThrough(new TextDecoderStream()).getReader();
        for (let rest = ""; ;) {
          const lines = (rest + (await reader.read()).value).split("\n");
          rest = lines.pop();
          seen.stream.push(...lines.map((line) => JSON.parse(line)).filter((one) => Object.keys(one).length));
        }
      })();
    }, topic.path);
    const seen = () => page.evaluate(() => globalThis.seen);
    await until("all three have begun", async () => Object.values(await seen()).every((list) => list.length === 1));
    await topic.publish(14);
    await until("all three have everything", async () => Object.values(await seen()).every((list) => list.length === 15));
    const { stream, websocket, events } = await seen();
    equal(stream, websocket, "stream and WebSocket");
    equal(events.slice(1), websocket.slice(1), "events and WebSocket");
    equal([stream[0].recovered, stream.slice(1).map((one) => one.offset)], [true, Array.from({ length: 14 }, (_, i) => i + 1)], "offsets");
  });
  box.stop();
}

/** Of this one no history runs out; of the other it does soon. */
const node = await new Node(binary, ["--history-publications", "10000"]).start();
const short = await new Node(binary, ["--history-publications", String(HISTORY)]).start();
const browser = await launch();
try {
  const context = await browser.newContext();
  await each(context, node);
  await fallsBack(context, node);
  await offline(context, short);
  await leavesNothing(context, node);
  await plain(context, short);
  await tabs(browser, node);
  await restarts(browser);
  await refusals(browser);
  await ofAnotherSite(browser, node);
  await check("the browser has nothing to complain about", async () => equal(complaints, [], "complaints"));
} finally {
  await browser.close();
  await node.stop();
  await short.stop();
}
finish();
