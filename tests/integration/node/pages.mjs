/* Pages in a headless Chromium, driven by lines of JSON that come in; each is answered by one.
 * {"open": OPTIONS} makes a page of its own and answers with its number, {"page": N, "code": "..."}
 * runs the body of an async function of (page, state, axe) and answers with its value, and
 * {"close": N} ends a page. */
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, timeout] = process.argv.slice(2);
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const opened = [];
const AsyncFunction = (async () => {}).constructor;

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(Number(timeout));
  const state = { console: [], requests: [] };
  page.on("console", (message) => message.type() === "error" && state.console.push(message.text()));
  page.on("pageerror", (error) => state.console.push(String(error)));
  page.on("request", (request) => state.requests.push(request.url()));
  page.on("websocket", (socket) => state.requests.push(socket.url()));
  return opened.push({ context, page, state }) - 1;
}

/* What axe-core finds wrong: the rule and where. */
async function axe(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}

async function answer(request) {
  if (request.open) return open(request.open);
  const { context, page, state } = opened[request.page ?? request.close];
  if (request.code) return new AsyncFunction("page", "state", "axe", request.code)(page, state, () => axe(page));
  return context.close();
}

for await (const line of createInterface({ input: process.stdin })) {
  const said = await answer(JSON.parse(line)).then(
    (value) => ({ value }),
    (error) => ({ error: String(error?.stack ?? error) }),
  );
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
await browser.close();
