// The page of a running node, driven in a real browser as an operator would.
//
//   node page.mjs BASE_URL OUTDIR        e.g. node page.mjs http://127.0.0.1:8000 /tmp/page
//
// The node must let anybody publish (a node on loopback does). What a node does rarely (ask for a
// key, drain, refuse) is played by the browser's own interception, so any node will do.
// CHROMIUM names another browser than /usr/bin/chromium. Screenshots go to OUTDIR.
// Prints "ok - …" or "not ok - …" a check and ends with "N passed, N failed"; exit code 1 if any failed.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DEADLINE_MS, check, equal, finish, launch, listen, pathOf, post as postTo, until } from "./support.mjs";

const [base, outDir] = process.argv.slice(2);
if (!base || !outDir) {
  console.error("usage: node page.mjs BASE_URL OUTDIR");
  process.exit(2);
}
// A topic of this run's own, so that a node may be tested twice.
const RUN = `page-${Date.now().toString(36)}`;
const TOPIC = `${RUN}/first room`;
const complaints = [];
const post = (...said) => postTo(base, ...said);

const text = (page, id) => page.locator(`#${id}`).innerText();
const shows = (page, id, pattern) => until(`#${id} shows ${pattern}`, async () => pattern.test(await text(page, id)));
const rows = (page) => page.locator("#messages li:not(.note) pre").allInnerTexts();
const row = (page, content) => until(`a row ${JSON.stringify(content)}`, async () => (await rows(page)).includes(content));
const number = async (page, id) => Number((await text(page, id)).replaceAll(",", "").match(/[\d.]+/)?.[0] ?? NaN);

async function open(context, path) {
  const page = await context.newPage();
  listen(page, path, complaints);
  await page.goto(base + path);
  return page;
}

async function publish(page, message, kind = "Text") {
  await page.getByLabel("Message", { exact: true }).fill(message);
  await page.getByLabel(kind, { exact: true }).check();
  await page.getByRole("button", { name: "Publish" }).click();
}

async function fitsItsWidth(page) {
  const { over, clipped } = await page.evaluate(() => ({
    over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    clipped: [...document.querySelectorAll("button, .value, .big, td, h1, h2, .state")]
      .filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
      .map((one) => one.id || one.textContent),
  }));
  equal({ over, clipped }, { over: 0, clipped: [] }, "what does not fit");
}

async function twoTabs(context) {
  let one, two;
  await check("a topic's address shows the page with that topic, connected", async () => {
    one = await open(context, pathOf(TOPIC));
    two = await open(context, pathOf(TOPIC));
    for (const page of [one, two]) {
      await shows(page, "live-state", /^Connected to /);
      equal(await page.locator("#live-topic").inputValue(), TOPIC, "topic of the subscription");
      equal(await page.locator("#publish-topic").inputValue(), TOPIC, "topic to publish to");
    }
  });
  await check("what one tab publishes both tabs show", async () => {
    await publish(one, "hello, both");
    await Promise.all([one, two].map((page) => row(page, "hello, both")));
  });
  await check("the node's answer is shown field by field", async () => {
    equal(/^[a-z0-9]+:1$/.test(await text(one, "answer-position")), true, "position of a first publication");
    equal(await text(one, "answer-subscribers"), "2", "subscribers");
    equal(await text(one, "answer-queued"), "2", "queued");
    equal(await text(one, "answer-dropped"), "0", "dropped");
  });
  await check("what a shell posts both tabs show, newest first", async () => {
    await post(TOPIC, "from a shell");
    await Promise.all([one, two].map((page) => row(page, "from a shell")));
    equal((await rows(two)).slice(0, 2), ["from a shell", "hello, both"], "rows");
  });
  await check("a binary publication is shown as bytes with its badge and size", async () => {
    await post(TOPIC, new Uint8Array([0, 255, 16]), "application/octet-stream");
    await row(one, "00 ff 10");
    equal(await one.locator("#messages li .badge").first().innerText(), "binary", "badge");
    equal(/\b3\sB\b/.test(await one.locator("#messages li .meta").first().innerText()), true, "size");
  });
  await check("markup in a message stays text", async () => {
    await publish(one, "<img src=x onerror=document.title='no'>");
    await row(two, "<img src=x onerror=document.title='no'>");
    equal(await two.locator("#messages img").count(), 0, "images");
  });
  await check("Ctrl+Enter publishes", async () => {
    await one.getByLabel("Message", { exact: true }).fill("by keyboard");
    await one.keyboard.press("Control+Enter");
    await row(two, "by keyboard");
  });
  await check("a held list counts what is newer and shows it when resumed", async () => {
    await two.getByRole("button", { name: "Pause list" }).click();
    await post(TOPIC, "while held");
    await shows(two, "newer", /^1 newer$/);
    equal((await rows(two)).includes("while held"), false, "shown while held");
    await two.getByRole("button", { name: "Resume list" }).click();
    await row(two, "while held");
  });
  return { one, two };
}

async function tiles(page) {
  await check("the tiles show this node with units", async () => {
    await shows(page, "state", /^open$/);
    await shows(page, "deliveries", /\/s$/);
    await shows(page, "publications", /\/s$/);
    await shows(page, "memory", /(KiB|MiB|GiB)$/);
    await shows(page, "outbox", /B$/);
    await shows(page, "websockets", /^[\d,.]+ WebSockets?$/);
    await until("two connections", async () => await number(page, "connections") >= 2);
  });
  await check("publications move the rates and the fan-out time", async () => {
    let going = true;
    const source = (async () => { while (going) await post(TOPIC, "tick"); })();
    try {
      await until("a publication rate", async () => await number(page, "publications") > 0);
      await until("a delivery rate", async () => await number(page, "deliveries") > 0);
      await shows(page, "p99", /\d.*(µs|ms|s)$/);
      await shows(page, "p50", /\d.*(µs|ms|s)$/);
    } finally {
      going = false;
      await source;
    }
    equal(/^M/.test(await page.locator("#spark-deliveries .line").getAttribute("d")), true, "a line is drawn");
  });
  await check("each shard has a bar, its connections and its rate", async () => {
    await shows(page, "shards", /\d %/);
    const lines = await page.locator("#shards tr").count(), bars = await page.locator("#shards .bar b").count();
    equal(lines > 0 && bars === lines, true, "a bar a shard");
    await shows(page, "shards", /\/s/);
  });
  await check("the list stays bounded", async () => {
    for (let i = 0; i < 230; i += 1) await post(TOPIC, `many ${i}`);
    await row(page, "many 229");
    equal(await page.locator("#messages li").count() <= 200, true, "at most 200 rows");
  });
  await check("a tab that cannot be seen does not ask for numbers", async () => {
    let asked = 0;
    page.on("request", (request) => { if (request.url().endsWith("/metrics")) asked += 1; });
    const turn = (hidden) => page.evaluate((is) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => is });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    await turn(true);
    asked = 0;
    await page.waitForTimeout(2_500);
    equal(asked, 0, "requests while hidden");
    await turn(false);
    await until("requests again", async () => asked > 0);
  });
}

async function anotherTopic(context, first) {
  const page = await open(context, "/");
  await check("a second topic, by server-sent events, has offsets and hears only its own", async () => {
    const topic = `${RUN}/second`;
    await shows(page, "live-state", /^Not connected/);
    await page.locator("#publish-topic").fill(topic);
    await page.locator("#live-topic").fill(topic);
    await page.locator("#live-transport").selectOption("sse");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await shows(page, "live-state", /^Connected to .* by server-sent events\.$/);
    await publish(page, '{"a": [1, 2]}', "JSON");
    await row(page, '{"a":[1,2]}');
    await publish(page, "plain again");
    await row(page, "plain again");
    await post(topic, new Uint8Array([254, 1]), "application/octet-stream");
    await row(page, "fe 01");
    const meta = (await page.locator("#messages li:not(.note) .meta").allInnerTexts()).map((one) => one.match(/(text|JSON|binary)[\s\S]*#(\d+)/).slice(1, 3));
    equal(meta, [["binary", "3"], ["text", "2"], ["JSON", "1"]], "badges and offsets");
    equal((await rows(first)).includes("plain again"), false, "the other topic's tab heard it");
    equal(new URL(page.url()).pathname, pathOf(topic), "address");
  });
  await check("the node's own words are shown when it refuses a publication", async () => {
    await publish(page, "{not json", "JSON");
    await shows(page, "answer", /^400\b.+/);
  });
  await check("a name that a browser would fold is refused in the page", async () => {
    await page.locator("#publish-topic").fill("a/../b");
    await publish(page, "never");
    await shows(page, "answer", /dot segments/);
  });
  await check("disconnecting ends the subscription", async () => {
    await page.getByRole("button", { name: "Disconnect" }).click();
    await shows(page, "live-state", /^Not connected/);
    await until("no subscriber left", async () => (await post(`${RUN}/second`, "nobody")).subscribers === 0);
  });
  await page.close();
}

async function closes(context) {
  const page = await context.newPage();
  const asked = [];
  let close = null;
  await page.routeWebSocket(/\/topics\//, (socket) => {
    asked.push({ at: Date.now(), after: new URL(socket.url()).searchParams.get("after") });
    if (asked.length > 1) socket.connectToServer();
    else {
      socket.send('{"position":"gone:4","recovered":true}');
      socket.send('{"offset":5,"text":"before the close"}');
      close = () => socket.close({ code: 1001, reason: "draining retry=700" });
    }
  });
  await page.goto(`${base}${pathOf(`${RUN}/closing`)}`);
  await check("a close shows its code and reason, and retry=MS is obeyed", async () => {
    await row(page, "before the close");
    const closedAt = Date.now();
    close();
    await shows(page, "live-state", /1001: draining retry=700.*Again in 700\sms/);
    await until("a second socket", async () => asked.length > 1);
    const waited = asked[1].at - closedAt;
    equal(waited >= 650, true, `not before its time, but after ${waited} ms`);
  });
  await check("it comes back after the last position it has seen, and says when something may be missing", async () => {
    equal(asked[1].after, "gone:5", "after=");
    await shows(page, "live-state", /^Connected to /);
    await until("a note of the gap", async () => /something may be missing/.test((await page.locator("#messages .note").allInnerTexts()).join()));
  });
  await page.close();
}

async function fallsBack(context) {
  const page = await open(context, "/");
  const topic = `${RUN}/no sockets`;
  await page.routeWebSocket(/\/topics\//, (socket) => socket.close({ code: 1011, reason: "not here" }));
  await check("where no WebSocket gets through the list fills by another transport, which is named", async () => {
    await page.locator("#live-topic").fill(topic);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await shows(page, "live-state", /^Connected to .* by server-sent events\.$/);
    await post(topic, "all the same");
    await row(page, "all the same");
    await shows(page, "websockets", /others?$/);
  });
  await check("the link to the comparison leads to the same topic", async () => {
    equal(new URL(await page.locator("#compare-link").evaluate((link) => link.href)).searchParams.get("topic"), topic, "topic");
  });
  await page.close();
}

async function keys(context) {
  const page = await context.newPage();
  const sent = [];
  await page.route("**/metrics", async (route) => {
    const { authorization, ...headers } = await route.request().allHeaders();
    sent.push(authorization);
    // The node behind has no key.
    if (authorization === "Bearer right") return route.continue({ headers });
    return route.fulfill({ status: 401, contentType: "application/json", body: '{"error":{"code":"unauthorized","message":"send the publish key"}}' });
  });
  await page.goto(`${base}/`);
  await check("a node that wants its key is given it from the page", async () => {
    await page.getByLabel("Publish key").fill("wrong");
    await page.getByRole("button", { name: "Use key" }).click();
    await shows(page, "key-reason", /does not accept this key/);
    await page.getByLabel("Publish key").fill("right");
    await page.getByRole("button", { name: "Use key" }).click();
    await until("the key is sent", async () => sent.includes("Bearer right"));
    await shows(page, "state", /^open$/);
    equal(await page.locator("#key-form").isVisible(), false, "the form");
  });
  await page.close();
}

async function withoutScript(context) {
  for (const path of ["/", "/compare"]) await check(`${path} says so where the node does not give it /page.js`, async () => {
    const page = await context.newPage();
    await page.route("**/page.js", (route) => route.abort());
    await page.goto(base + path);
    await until("the words", async () => (await page.locator("body").innerText()).startsWith("The node did not give /page.js"));
    await page.close();
  });
}

async function states(context) {
  const page = await context.newPage();
  let play = "draining";
  await page.route("**/metrics", async (route) => {
    if (play === "gone") return route.abort();
    const answer = await route.fetch();
    return route.fulfill({ response: answer, body: (await answer.text()).replace(/^altavoz_draining .*$/m, "altavoz_draining 1") });
  });
  await page.goto(`${base}/`);
  await check("a draining node says so, and one that is gone is unreachable", async () => {
    await shows(page, "state", /^draining$/);
    play = "gone";
    await shows(page, "state", /^unreachable$/);
    await shows(page, "trouble", /does not answer/);
  });
  await page.close();
}

async function looks(browser) {
  const sizes = { desktop: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } };
  for (const [device, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ["light", "dark"]) {
      await check(`${device}, ${colorScheme}: everything fits, and a screenshot is taken`, async () => {
        const context = await browser.newContext({ viewport, colorScheme });
        const page = await open(context, pathOf(`${RUN}/looks`));
        await shows(page, "live-state", /^Connected to /);
        await publish(page, `seen on a ${device}`);
        await post(`${RUN}/looks`, "a line that is long enough to wrap on any screen there is ".repeat(4));
        await shows(page, "deliveries", /\d/);
        await page.waitForTimeout(3_000);
        await fitsItsWidth(page);
        await page.screenshot({ path: join(outDir, `${device}-${colorScheme}.png`), fullPage: true });
        await context.close();
      });
    }
  }
}

async function names(context) {
  const page = await open(context, "/");
  await check("every input has a label and every control can be reached by keyboard", async () => {
    equal(await page.evaluate(() => [...document.querySelectorAll("input, select, textarea")].filter((one) => !one.labels.length).map((one) => one.id)), [], "inputs without a label");
    const reached = new Set();
    for (let i = 0; i < 20; i += 1) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement.id));
    }
    for (const id of ["key-toggle", "publish-topic", "publish-message", "publish-button", "compare-link", "live-topic", "live-transport", "live-button", "pause", "clear", "scroll"]) {
      equal(reached.has(id), true, `#${id} reached`);
    }
  });
  await page.close();
}

await mkdir(outDir, { recursive: true });
const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(DEADLINE_MS);
  const { one } = await twoTabs(context);
  await tiles(one);
  await anotherTopic(context, one);
  await closes(context);
  await fallsBack(context);
  await keys(context);
  await withoutScript(context);
  await states(context);
  await names(context);
  await looks(browser);
  await check("the browser has nothing to complain about", async () => equal(complaints, [], "complaints"));
} finally {
  await browser.close();
}
finish();
