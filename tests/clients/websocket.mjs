// The npm package ws against the gateway, as docs/websocket.md has it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import WebSocket from "ws";
import { bits, message, script, setting } from "./setting.mjs";

const base64url = (text) => Buffer.from(text).toString("base64url");

// Speak: send these frames one by one when it is open; return all that came and how it was closed.
function speak(path, protocols, frames, { headers = {}, onFrame = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${setting.http}${path}`, protocols, { headers });
    const found = { frames: [], status: 101 };
    socket.on("open", () => {
      found.protocol = socket.protocol;
      for (const frame of frames) socket.send(frame);
    });
    socket.on("message", (data, binary) => {
      found.frames.push(binary ? data : JSON.parse(data.toString()));
      onFrame(found.frames.length, socket);
    });
    socket.on("unexpected-response", (_, response) => {
      let body = "";
      response.on("data", (data) => (body += data));
      response.on("end", () => resolve({ ...found, status: response.statusCode, body: JSON.parse(body) }));
    });
    socket.on("close", (code, reason) => resolve({ ...found, code, reason: reason.toString() }));
    socket.on("error", reject);
  });
}

const METHOD = "/bookstore.v1.BookstoreService";
const json = (...frames) => frames.map((frame) => JSON.stringify(frame));

test("unary, bare: by the method's path, and by a URL that says it all", async () => {
  const called = await speak(`${METHOD}/GetShelf`, [], json({ name: "shelves/fiction" }));
  assert.equal(called.frames[0].theme, "Fiction");
  assert.deepEqual([called.frames.length, called.code], [1, 1000]);
  const bound = await speak("/v1/shelves/fiction", "edge.json.bare.v1", []);
  assert.equal(bound.frames[0].theme, "Fiction");
  assert.equal(bound.protocol, "edge.json.bare.v1");
});

test("a server stream, with metadata", async () => {
  const found = await speak("/v1/shelves/science/books:stream", "edge.json.v1", []);
  const [first, ...rest] = found.frames;
  const { end } = rest.pop();
  assert.deepEqual(first.headers["x-served-by"], ["one"]);
  assert.ok(rest.length >= 3 && rest.every((frame) => frame.message.title));
  assert.deepEqual(end, { status: { code: 0, message: "", details: [] }, trailers: {} });
  assert.equal(found.code, 1000);
});

test("a client stream, with a half-close of its own and beside a message", async () => {
  const book = (title) => ({ parent: "shelves/travel", book: { title, author: "ws" } });
  const asked = [{ message: book("One ws") }, { message: book("Two ws") }];
  const found = await speak("/v1/books:import", "edge.json.v1", json(...asked, { end: true }));
  assert.equal(found.frames[1].message.importedCount, 2);
  const again = await speak(`${METHOD}/ImportBooks`, "edge.json.v1", json(asked[0], { ...asked[1], end: true }));
  assert.equal(again.frames[1].message.skippedCount, 2);
});

test("a stream both ways, each question after an answer", async () => {
  const subjects = ["sea", "nature", "time"];
  const found = await speak("/v1/books:recommend", "edge.json.bare.v1", json({ subject: "sea" }), {
    onFrame: (count, socket) => socket.send(count < 3 ? JSON.stringify({ subject: subjects[count] }) : ""),
  });
  assert.deepEqual(found.frames.map(({ subject }) => subject), subjects);
  assert.equal(found.code, 1000);
});

test("protobuf", async () => {
  const request = toBinary(message("bookstore.v1.GetShelfRequest"), create(message("bookstore.v1.GetShelfRequest"), { name: "shelves/science" }));
  const found = await speak(`${METHOD}/GetShelf`, "edge.proto.v1", [Buffer.concat([Buffer.of(0), request])]);
  assert.deepEqual(found.frames.map((frame) => frame[0]), [1, 0, 2]);
  const [headers, answer, end] = found.frames.map((frame) => frame.subarray(1));
  assert.deepEqual(JSON.parse(headers)["x-served-by"], ["one"]);
  assert.equal(fromBinary(message("bookstore.v1.Shelf"), answer).theme, "Science");
  assert.equal(JSON.parse(end).status.code, 0);
});

test("an error with details, words and trailers", async () => {
  const sold = await speak("/v1/shelves/fiction/books/first-folio:order", "edge.json.v1", json({ message: {} }));
  const { end } = sold.frames.at(-1);
  assert.equal(end.status.code, 9);
  assert.ok(end.status.details.some((detail) => detail.reason === "OUT_OF_STOCK"));
  assert.deepEqual([sold.code, sold.reason], [4009, end.status.message]);
  const words = "„Bücher“ 本 ".repeat(20);
  const steps = script([{ send: { count: 2 } }, { finish: { code: 10, message: words } }], { trailing: { "x-last": "two" } });
  const late = await speak("/probe.v1.ProbeService/RunServerStream", "edge.json.v1", json({ message: {} }), { headers: { "x-script-bin": steps } });
  assert.equal(late.frames.length, 4);
  assert.equal(late.frames[3].end.status.message, words);
  assert.deepEqual(late.frames[3].end.trailers, { "x-last": ["two"] });
  assert.ok(words.startsWith(late.reason) && Buffer.byteLength(late.reason) <= 123 && late.reason.length > 30);
});

test("a token, headers and a deadline by subprotocol", async () => {
  const protocols = ["edge.json.v1", `edge.bearer.${base64url("sesame")}`, `edge.header.x-mine.${base64url("three")}`, `edge.header.x-mine-bin.${Buffer.from(bits, "base64").toString("base64url")}`, "edge.timeout.30S"];
  const found = await speak("/v1/probe:inspect", protocols, json({ message: {} }));
  assert.equal(found.protocol, "edge.json.v1");
  const { metadata, timeRemaining } = found.frames[1].message;
  const sent = Object.fromEntries(metadata.map(({ key, value }) => [key, Buffer.from(value, "base64").toString("latin1")]));
  assert.equal(sent.authorization, "Bearer sesame");
  assert.equal(sent["x-mine"], "three");
  assert.equal(sent["x-mine-bin"], "\x00\xff\x07");
  assert.equal(sent["sec-websocket-protocol"], undefined);
  assert.ok(timeRemaining > 20 && timeRemaining <= 30);
});

test("leaving cancels the call", async () => {
  const id = `ws-${process.pid}`;
  const socket = new WebSocket(`ws://${setting.http}/probe.v1.ProbeService/RunBidi`, [], { headers: { "x-script-bin": script([{ hang: true }]), "x-call-id": id } });
  socket.on("open", () => socket.send("{}"));
  const waiting = (asked) => speak("/probe.v1.ProbeService/Await", [], json({ callId: id, ...asked }));
  assert.equal((await waiting({})).code, 1000);
  socket.close();
  assert.equal((await waiting({ cancelled: true })).frames[0].cancelled, true);
});

test("refusals before the upgrade have an HTTP status, those after it a close code", async () => {
  const nowhere = await speak("/nobody.v1.Nobody/Home", [], []);
  assert.equal(nowhere.status, 404);
  assert.match(nowhere.body.message, /no route/);
  assert.equal((await speak("/v1/shelves/fiction", "chat.v9", [])).status, 400);
  assert.equal((await speak("/v1/shelves/fiction?nme=1", [], [])).status, 400);
  assert.equal((await speak("/v1/shelves/fiction", [], [], { headers: { origin: "https://evil.example" } })).status, 403);
  assert.equal((await speak(`${METHOD}/GetShelf`, [], ["{"])).code, 4003);
  assert.equal((await speak(`${METHOD}/GetShelf`, [], [Buffer.of(1)])).code, 1003);
  assert.equal((await speak(`${METHOD}/GetShelf`, [], json({ nme: "" }))).code, 4003);
});
