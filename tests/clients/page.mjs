// What a page does in a browser: every way to the gateway that a page has. Bundled and served by browser.mjs.

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

const base64url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const failed = (error) => ({ code: error.code, message: error.rawMessage ?? String(error), details: error.details?.length });

async function connectWeb(transport, Bookstore) {
  const client = createClient(Bookstore, transport);
  let servedBy;
  const shelf = await client.getShelf({ name: "shelves/fiction" }, { headers: { authorization: "Bearer sesame" }, onHeader: (headers) => (servedBy = headers.get("x-served-by")) });
  const titles = [];
  for await (const book of client.streamBooks({ parent: "shelves/science" })) titles.push(book.title);
  const error = await client.orderBook({ name: "shelves/fiction/books/first-folio" }).then(() => null, failed);
  const aborted = new AbortController();
  const watched = [];
  try {
    for await (const event of client.watchShelf({ name: "shelves/science" }, { signal: aborted.signal })) {
      watched.push(event.book.title);
      if (watched.length === 2) aborted.abort();
    }
  } catch (error) {
    watched.push(failed(error).code);
  }
  return { theme: shelf.theme, servedBy, titles, error, watched };
}

async function rest(base) {
  const read = await fetch(`${base}/v1/shelves/fiction`, { headers: { authorization: "Bearer sesame" } });
  const shelf = await read.json();
  const made = await fetch(`${base}/v1/shelves/travel/books`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ title: `Seite ${Math.random()}`, author: "Browser" }),
  });
  const book = await made.json();
  const patched = await fetch(`${base}/v1/${book.name}`, { method: "PATCH", headers: { "content-type": "application/json" }, body: JSON.stringify({ year: 1999 }) });
  const { year, author } = await patched.json();
  const removed = await fetch(`${base}/v1/${book.name}`, { method: "DELETE" });
  const missing = await fetch(`${base}/v1/${book.name}`);
  const lines = (await (await fetch(`${base}/v1/books:stream`)).text()).trim().split("\n");
  return { theme: shelf.theme, servedBy: read.headers.get("x-served-by"), year, author, removed: removed.status, missing: missing.status, error: (await missing.json()).code, lines: lines.length };
}

function events(base) {
  return new Promise((resolve) => {
    const found = { titles: [], ids: [], opened: 0 };
    const source = new EventSource(`${base}/v1/shelves/science/books:stream`);
    source.onopen = () => found.opened++;
    source.onmessage = ({ data, lastEventId }) => {
      found.titles.push(JSON.parse(data).title);
      found.ids.push(lastEventId);
    };
    source.addEventListener("end", () => {
      source.close();
      resolve(found);
    });
    source.onerror = () => {
      source.close();
      resolve({ ...found, failed: true });
    };
  });
}

function webSocket(base) {
  return new Promise((resolve) => {
    const found = { subjects: [] };
    const socket = new WebSocket(`${base.replace("http", "ws")}/v1/books:recommend`, ["edge.json.v1", `edge.bearer.${base64url("sesame")}`, "edge.timeout.30S"]);
    const asked = ["sea", "nature"];
    const ask = () => socket.send(JSON.stringify(asked.length ? { message: { subject: asked.shift() } } : { end: true }));
    socket.onopen = ask;
    socket.onmessage = ({ data }) => {
      const { message, end } = JSON.parse(data);
      if (message) {
        found.subjects.push(message.subject);
        ask();
      }
      if (end) found.status = end.status.code;
    };
    socket.onclose = ({ code }) => resolve({ ...found, protocol: socket.protocol, code });
  });
}

function inspect(base) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${base.replace("http", "ws")}/v1/probe:inspect`, ["edge.json.bare.v1", `edge.bearer.${base64url("sesame")}`]);
    const found = {};
    socket.onopen = () => socket.send("{}");
    socket.onmessage = ({ data }) => {
      for (const { key, value } of JSON.parse(data).metadata) found[key] = atob(value);
    };
    socket.onclose = ({ code }) => resolve({ code, authorization: found.authorization, protocol: found["sec-websocket-protocol"] });
  });
}

window.run = async (base, descriptors) => {
  const bytes = Uint8Array.from(atob(descriptors), (character) => character.charCodeAt(0));
  const Bookstore = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes)).getService("bookstore.v1.BookstoreService");
  const outcome = (work) => work.then((value) => ({ value }), (error) => ({ error: failed(error) }));
  return {
    connectJson: await outcome(connectWeb(createConnectTransport({ baseUrl: base, useHttpGet: true }), Bookstore)),
    connectProto: await outcome(connectWeb(createConnectTransport({ baseUrl: base, useBinaryFormat: true }), Bookstore)),
    grpcWeb: await outcome(connectWeb(createGrpcWebTransport({ baseUrl: base }), Bookstore)),
    rest: await outcome(rest(base)),
    events: await outcome(events(base)),
    webSocket: await outcome(webSocket(base)),
    inspect: await outcome(inspect(base)),
  };
};
