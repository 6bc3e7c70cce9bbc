// Clients of server-sent events from npm, and Node's own fetch: `npm.mjs NAME URL...`.
//
// The contract of all client programs stands in run.py. Each client reads every URL as its README
// shows it; where a library only parses, a loop around it comes back with the last id it was given.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(dirname(fileURLToPath(import.meta.url)));
const PAUSE_MS = 200; // of the loops that are ours
const NAMES = ["message", "base64", "position", "reset", "close"];

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What becomes of one URL. */
class Teller {
  constructor(n) { this.n = n; }
  event(name, data, id) { say({ n: this.n, is: "event", name: name || "message", data: data ?? "", id: id ?? "" }); }
  cut(error) { say({ n: this.n, is: "cut", why: String(error?.message ?? error ?? "") }); }
  ended() { say({ n: this.n, is: "ended" }); }
  over(why) { say({ n: this.n, is: "over", why: String(why ?? "") }); }
}

/** A client with the face of the browsers' EventSource. */
function likeBrowsers(source, teller) {
  for (const name of NAMES) source.addEventListener(name, ({ data, lastEventId }) => teller.event(name, data, lastEventId));
  source.addEventListener("error", (event) => (source.readyState === 2 ? teller.over(event.message) : teller.cut(event.message)));
}

/** Asks again and again behind what `read` remembers, whatever the end. */
async function byHand(url, teller, read) {
  const last = { id: "" };
  for (;;) {
    try {
      const answer = await fetch(url, { headers: { Accept: "text/event-stream", ...(last.id && { "Last-Event-ID": last.id }) } });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      await read(answer, last);
      teller.ended();
    } catch (error) {
      teller.cut(error);
    }
    await pause(PAUSE_MS);
  }
}

async function microsoft(url, teller) {
  // It is written for pages.
  Object.assign(globalThis, { window: globalThis, document: { hidden: false, addEventListener() {}, removeEventListener() {} } });
  const { fetchEventSource } = await import("@microsoft/fetch-event-source");
  try {
    await fetchEventSource(url, {
      openWhenHidden: true,
      onmessage: ({ event, data, id }) => teller.event(event, data, id),
      onerror: (error) => teller.cut(error),
    });
    teller.over("the stream ended");
  } catch (error) {
    teller.over(error);
  }
}

async function launchDarkly(url, teller) {
  const { EventSource } = await import("launchdarkly-eventsource");
  // Without the filter each error is final, as its documentation says.
  const source = new EventSource(url, { errorFilter: () => true, initialRetryDelayMillis: 500 });
  likeBrowsers(source, teller);
}

async function polyfill(url, teller) {
  const { EventSourcePolyfill } = await import("event-source-polyfill");
  likeBrowsers(new EventSourcePolyfill(url), teller);
}

async function reconnecting(url, teller) {
  const { default: ReconnectingEventSource } = await import("reconnecting-eventsource");
  const { EventSource: eventSourceClass } = await import("eventsource-v4");
  likeBrowsers(new ReconnectingEventSource(url, { eventSourceClass }), teller);
}

async function plus(url, teller) {
  const { EventSourcePlus } = await import("event-source-plus");
  new EventSourcePlus(url).listen({
    onMessage: ({ event, data, id }) => teller.event(event, data, id),
    onRequestError: ({ error }) => teller.cut(error),
    onResponseError: ({ error }) => teller.cut(error),
  });
}

async function modern(url, teller) {
  const { createEventSource } = await import("eventsource-client");
  createEventSource({
    url,
    onMessage: ({ event, data, id }) => teller.event(event, data, id),
    onDisconnect: () => teller.cut(),
  });
}

async function parsed(url, teller) {
  const { createParser } = await import("eventsource-parser");
  await byHand(url, teller, async (answer, last) => {
    const parser = createParser({
      onEvent: ({ event, data, id }) => {
        if (id !== undefined) last.id = id;
        teller.event(event, data, id);
      },
    });
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) parser.feed(text);
  });
}

async function fetched(url, teller) {
  const { events } = await import("fetch-event-stream");
  await byHand(url, teller, async (answer, last) => {
    for await (const { event, data, id } of events(answer)) {
      if (id !== undefined) last.id = String(id);
      teller.event(event, data, id);
    }
  });
}

async function sanity(url, teller) {
  const { default: EventSource } = await import("@sanity/eventsource");
  likeBrowsers(new EventSource(url), teller);
}

const standard = (name, pick = (all) => all.EventSource) => async (url, teller) =>
  likeBrowsers(new (pick(await import(name)))(url), teller);

const CLIENTS = {
  "eventsource-v2": standard("eventsource-v2", (all) => all.default),
  "eventsource-v3": standard("eventsource-v3"),
  "eventsource-v4": standard("eventsource-v4"),
  "eventsource-v5": standard("eventsource-v5"),
  "extended-eventsource": standard("extended-eventsource"),
  "@sanity/eventsource": sanity,
  "launchdarkly-eventsource": launchDarkly,
  "@microsoft/fetch-event-source": microsoft,
  "event-source-polyfill": polyfill,
  "reconnecting-eventsource": reconnecting,
  "event-source-plus": plus,
  "eventsource-client": modern,
  "eventsource-parser": parsed,
  "fetch-event-stream": fetched,
};

const [name, ...urls] = process.argv.slice(2);
const about = JSON.parse(readFileSync(join(HERE, "node_modules", name, "package.json"), "utf8"));
say({ is: "client", title: `${about.name} ${about.version}` });
process.on("unhandledRejection", (error) => { process.stderr.write(`${error?.stack ?? error}\n`); });
process.on("uncaughtException", (error) => { process.stderr.write(`${error?.stack ?? error}\n`); });
// A library may rest by a timer that does not keep a program alive; programs that people have do more.
setInterval(() => {}, 1 << 30);
urls.forEach((url, n) => CLIENTS[name](url, new Teller(n)));
