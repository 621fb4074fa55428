// Headless Chromium: bundles page.mjs, serves it from two origins, one that the gateway's CORS policy allows and one that
// it does not, and asserts what the page got in each. $CHROMIUM names the browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { setting } from "./setting.mjs";

let server, browser, port;
const descriptors = readFileSync(setting.descriptors).toString("base64");
const base = `http://${setting.http}`;

before(async () => {
  const bundled = await build({
    entryPoints: [new URL("page.mjs", import.meta.url).pathname],
    bundle: true,
    format: "esm",
    write: false,
  });
  const script = bundled.outputFiles[0].contents;
  server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, resolve));
  port = server.address().port;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // tests may run as root, and containers have a small /dev/shm
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
});

after(async () => {
  await browser?.close();
  server?.close();
});

async function visit(origin) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (said) => complaints.push(said.text()));
  await page.goto(origin);
  await page.waitForFunction(() => window.run !== undefined);
  const found = await page.evaluate(([base, descriptors]) => window.run(base, descriptors), [base, descriptors]);
  await page.close();
  return { found, complaints };
}

test("a page of an allowed origin reaches the gateway in every way a page has", async (t) => {
  const { found, complaints } = await visit(`http://127.0.0.1:${port}/`);
  for (const how of ["connectJson", "connectProto", "grpcWeb"]) {
    await t.test(how, () => {
      assert.equal(found[how].error, undefined, JSON.stringify(found[how]));
      const { theme, servedBy, titles, error, watched } = found[how].value;
      assert.equal(theme, "Fiction");
      assert.equal(servedBy, "one", "a header that the policy exposes");
      assert.ok(titles.includes("Sidereus Nuncius"));
      assert.equal(error.code, 9);
      assert.ok(error.details >= 2);
      assert.ok(watched.length >= 3);
      assert.equal(watched.at(-1), 1, "the page gave up");
    });
  }
  await t.test("fetch", () => {
    const { theme, servedBy, year, author, removed, missing, error, lines } = found.rest.value ?? {};
    assert.deepEqual({ theme, servedBy, year, author, removed, missing, error }, { theme: "Fiction", servedBy: "one", year: 1999, author: "Browser", removed: 200, missing: 404, error: 5 }, JSON.stringify(found.rest));
    assert.ok(lines >= 9);
  });
  await t.test("EventSource", () => {
    const { titles, ids, opened, failed } = found.events.value;
    assert.equal(failed, undefined, "it ends with the event `end`, before the browser would ask again");
    assert.equal(opened, 1);
    assert.ok(titles.length >= 3);
    assert.deepEqual(ids, titles.map((_, index) => String(index + 1)));
  });
  await t.test("WebSocket", () => {
    assert.deepEqual(found.webSocket.value, { subjects: ["sea", "nature"], status: 0, protocol: "edge.json.v1", code: 1000 });
    assert.equal(found.inspect.value.authorization, "Bearer sesame");
    assert.equal(found.inspect.value.protocol, undefined);
  });
  assert.deepEqual(complaints.filter((said) => /CORS|blocked/.test(said)), []);
});

test("a page of another origin gets nothing", async () => {
  const { found, complaints } = await visit(`http://localhost:${port}/`);
  for (const how of ["connectJson", "connectProto", "grpcWeb"]) {
    assert.equal(found[how].value, undefined, how);
    assert.match(found[how].error.message, /failed to fetch/i);
  }
  assert.match(found.rest.error.message, /failed to fetch/i);
  assert.deepEqual([found.events.value.failed, found.events.value.titles], [true, []]);
  assert.deepEqual([found.webSocket.value.code, found.webSocket.value.subjects], [1006, []]);
  assert.equal(found.inspect.value.code, 1006);
  assert.ok(complaints.some((said) => /CORS policy/.test(said)));
});
