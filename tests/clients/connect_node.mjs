// connect-node against the gateway. The argument says how: grpc, grpc-web, connect-json or connect-proto.

import assert from "node:assert/strict";
import { subscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import { isFieldSet, create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, decodeBinaryHeader } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { bits, Bookstore, collect, each, message, Probe, script, setting } from "./setting.mjs";

const how = process.argv[2];
const verbs = []; // those of the requests that went out over HTTP/1.1
subscribe("http.client.request.start", ({ request }) => verbs.push(request.method));
const overHttp = { baseUrl: `http://${setting.http}`, httpVersion: "1.1" };
const options = { useHttpGet: true, compressMinBytes: 10 };
const transport = {
  grpc: () => createGrpcTransport({ baseUrl: `http://${setting.grpc}` }),
  "grpc-web": () => createGrpcWebTransport(overHttp),
  "connect-json": () => createConnectTransport({ ...overHttp, ...options, useBinaryFormat: false }),
  "connect-proto": () => createConnectTransport({ ...overHttp, ...options, useBinaryFormat: true }),
}[how]();
const connect = how.startsWith("connect");
const books = createClient(Bookstore, transport);
const probe = createClient(Probe, transport);
const following = (...steps) => ({ headers: { "x-script-bin": script(...steps) } });

async function failure(call, code, words) {
  const error = await call.then(
    (answer) => assert.fail(`it succeeded: ${answer}`),
    (error) => error,
  );
  assert.ok(error instanceof ConnectError, String(error));
  assert.equal(error.code, code, String(error));
  assert.match(error.rawMessage, words);
  return error;
}

test("a unary call, with headers and trailers both ways", async () => {
  let header, trailer;
  const answer = await probe.runUnary({ number: 7n, data: new Uint8Array(300) }, {
    headers: { "x-script-bin": script([], { headers: { "x-first": "one", "x-first-bin": "\u0001" }, trailing: { "x-last": "two", "x-last-bin": "\u0002" } }) },
    onHeader: (found) => (header = found),
    onTrailer: (found) => (trailer = found),
  });
  assert.equal(answer.number, 7n);
  assert.equal(answer.data.length, 300);
  assert.equal(header.get("x-first"), "one");
  assert.deepEqual(decodeBinaryHeader(header.get("x-first-bin")), Uint8Array.of(1));
  assert.equal(trailer.get("x-last"), "two");
  assert.deepEqual(decodeBinaryHeader(trailer.get("x-last-bin")), Uint8Array.of(2));
  const record = await probe.inspect({}, { headers: { "x-mine": "three", "x-mine-bin": bits } });
  const sent = Object.fromEntries(record.metadata.map(({ key, value }) => [key, Buffer.from(value)]));
  assert.equal(sent["x-mine"].toString(), "three");
  assert.deepEqual([...sent["x-mine-bin"]], [0, 255, 7]);
});

test("a server stream", async () => {
  const found = await collect(books.streamBooks({ parent: "shelves/science" }));
  assert.ok(found.length >= 3);
  assert.ok(found.some((book) => book.title === "Sidereus Nuncius"));
  const numbers = await collect(probe.runServerStream({}, following([{ send: { count: 50, size: 2000 } }])));
  assert.deepEqual(numbers.map(({ number }) => Number(number)), [...Array(50).keys()]);
});

test("a client stream", async () => {
  const stream = each({ number: 1n }, { number: 2n }, { number: 3n });
  const answer = await probe.runClientStream(stream, following([{ read: 0 }]));
  assert.equal(answer.number, 3n);
});

test("a stream both ways", async () => {
  // HTTP/1.1 clients send all they have before they read
  const found = [];
  if (how === "grpc") {
    const asked = [];
    let wake;
    async function* subjects() {
      for (const subject of ["sea", "nature", "time"]) {
        asked.push(subject);
        yield { subject };
        await new Promise((resolve) => (wake = resolve));
      }
    }
    for await (const answer of books.recommendBooks(subjects())) {
      found.push(answer.subject);
      assert.deepEqual(asked, found); // each answer comes before the next question
      wake();
    }
  } else {
    for await (const { subject } of books.recommendBooks(each({ subject: "sea" }, { subject: "nature" }, { subject: "time" }))) {
      found.push(subject);
    }
  }
  assert.deepEqual(found, ["sea", "nature", "time"]);
});

test("an error with details", async () => {
  const error = await failure(books.orderBook({ name: "shelves/fiction/books/first-folio" }), Code.FailedPrecondition, /copies|stock/i);
  const [info] = error.findDetails(message("google.rpc.ErrorInfo"));
  assert.equal(info.reason, "OUT_OF_STOCK");
  const [retry] = error.findDetails(message("google.rpc.RetryInfo"));
  assert.ok(isFieldSet(retry, message("google.rpc.RetryInfo").field.retryDelay));
});

test("an error with words that are not ASCII, before and behind a message", async () => {
  const finish = { finish: { code: 10, message: "kein „Bücherregal“ 本 100 %" } };
  const steps = (count) => following([...(count ? [{ send: { count } }] : []), finish], { trailing: { "x-last": "two" } });
  const words = /^kein „Bücherregal“ 本 100 %$/;
  const error = await failure(probe.runUnary({}, steps(0)), Code.Aborted, words);
  assert.equal(error.metadata.get("x-last"), "two");
  for (const count of [0, 2]) {
    const found = [];
    const read = async () => {
      for await (const answer of probe.runServerStream({}, steps(count))) found.push(answer);
    };
    const late = await failure(read(), Code.Aborted, words);
    assert.equal(found.length, count);
    assert.equal(late.metadata.get("x-last"), "two");
  }
  await failure(probe.runClientStream(each({}), following([{ read: 0 }, finish])), Code.Aborted, words);
});

test("what the gateway refuses", async () => {
  const error = await failure(books.getBook({ name: "shelves/fiction/books/nobody" }), Code.NotFound, /nobody/);
  assert.ok(error.details.length > 0);
  const nowhere = { ...Bookstore, typeName: "nobody.v1.Nobody" };
  const methods = Object.fromEntries(Bookstore.methods.map((method) => [method.localName, { ...method, parent: nowhere }]));
  const home = createClient({ ...nowhere, methods: Object.values(methods), method: methods }, transport);
  const refused = await failure(home.orderBook({}), Code.Unimplemented, /no route/);
  assert.equal(refused.findDetails(message("google.rpc.ErrorInfo"))[0].reason, "NO_ROUTE");
  await failure(collect(home.streamBooks({})), Code.Unimplemented, /no route/);
});

test("a deadline crosses", async () => {
  const begun = performance.now();
  await failure(probe.runUnary({}, { ...following([{ hang: true }]), timeoutMs: 200 }), Code.DeadlineExceeded, /./);
  await failure(collect(probe.runServerStream({}, { ...following([{ send: { count: 1 } }, { hang: true }]), timeoutMs: 200 })), Code.DeadlineExceeded, /./);
  assert.ok(performance.now() - begun < 5000);
  const record = await probe.inspect({}, { timeoutMs: 30_000 });
  assert.ok(record.timeRemaining > 20 && record.timeRemaining <= 30, String(record.timeRemaining));
});

test("a cancellation crosses", async () => {
  for (const call of [
    (options) => probe.runUnary({}, options),
    (options) => collect(probe.runServerStream({}, options)),
  ]) {
    const id = `${how}-${call}-${process.pid}`.replaceAll(/[^a-z0-9]/gi, "");
    const controller = new AbortController();
    const options = { headers: { ...following([{ hang: true }]).headers, "x-call-id": id }, signal: controller.signal };
    const going = failure(call(options), Code.Canceled, /./);
    await probe.await({ callId: id, received: 1n });
    controller.abort();
    await going;
    const record = await probe.await({ callId: id, cancelled: true });
    assert.ok(record.cancelled);
  }
});

test("a method without side effects is called by GET where there is one", async () => {
  verbs.length = 0;
  const shelf = await books.getShelf({ name: "shelves/fiction" });
  assert.equal(shelf.theme, "Fiction");
  assert.deepEqual(new Set(verbs), new Set(connect ? ["GET"] : how === "grpc" ? [] : ["POST"]));
  await failure(books.getShelf({ name: "shelves/none" }), Code.NotFound, /none/);
});

test("what is large comes compressed to those who take it", async () => {
  const answer = await probe.runUnary({ data: new Uint8Array(100_000) });
  assert.equal(answer.data.length, 100_000);
  const many = await collect(probe.runServerStream({}, following([{ send: { count: 3, size: 50_000 } }])));
  assert.deepEqual(many.map(({ data }) => data.length), [50_000, 50_000, 50_000]);
  if (how === "connect-proto") {
    const reply = await fetch(`http://${setting.http}/probe.v1.ProbeService/RunServerStream`, {
      method: "POST",
      headers: { "content-type": "application/connect+proto", "connect-accept-encoding": "gzip", ...following([{ send: { count: 1, size: 5000 } }]).headers },
      body: new Uint8Array(5),
    });
    assert.equal(reply.headers.get("connect-content-encoding"), "gzip");
    assert.equal(new Uint8Array(await reply.arrayBuffer())[0], 1);
  }
});

test("every type of message survives", async () => {
  const book = create(message("bookstore.v1.Book"), { title: `Ünïcode ${how}`, author: "本", year: -5, subjects: ["a", "b"], priceCents: 2n ** 53n + 1n, labels: { k: "v" }, format: 3 });
  const made = await books.createBook({ parent: "shelves/travel", book });
  for (const field of ["title", "author", "year", "subjects", "priceCents", "format"]) assert.deepEqual(made[field], book[field]);
  assert.deepEqual({ ...made.labels }, { k: "v" });
  assert.equal(made.rating, book.rating);
  assert.ok(made.updateTime.seconds > 0n);
});
