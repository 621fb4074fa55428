// The official grpc-web client against the gateway. The argument is its format: text or binary.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpcWeb from "grpc-web";
import XMLHttpRequest from "xhr2";
import { Bookstore, message, Probe, script, setting } from "./setting.mjs";

globalThis.XMLHttpRequest = XMLHttpRequest;

const format = process.argv[2];
const client = new grpcWeb.GrpcWebClientBase({ format });

function descriptor(service, name) {
  const method = service.methods.find((found) => found.name === name);
  const type = method.methodKind === "unary" ? grpcWeb.MethodType.UNARY : grpcWeb.MethodType.SERVER_STREAMING;
  const path = `/${service.typeName}/${name}`;
  const found = new grpcWeb.MethodDescriptor(
    path,
    type,
    Object,
    Object,
    (request) => toBinary(method.input, create(method.input, request)),
    (bytes) => fromBinary(method.output, bytes),
  );
  return [`http://${setting.http}${path}`, found];
}

function unary(service, name, request, metadata = {}) {
  const [url, method] = descriptor(service, name);
  return new Promise((resolve, reject) => {
    const seen = {};
    const call = client.rpcCall(url, request, metadata, method, (error, answer) =>
      error ? reject(error) : setImmediate(() => resolve({ answer, ...seen })),
    );
    call.on("metadata", (found) => (seen.headers = found));
    call.on("status", (found) => (seen.status = found));
  });
}

function stream(service, name, request, metadata = {}) {
  const [url, method] = descriptor(service, name);
  return new Promise((resolve) => {
    const found = { answers: [] };
    const call = client.serverStreaming(url, request, metadata, method);
    call.on("data", (answer) => found.answers.push(answer));
    call.on("status", (status) => (found.status = status));
    call.on("error", (error) => resolve({ ...found, error }));
    call.on("end", () => resolve(found));
  });
}

const failing = { finish: { code: 10, message: "kein „Bücherregal“ 本 100 %" } };

test("a unary call, with headers and trailers", async () => {
  const found = await unary(Probe, "RunUnary", { number: 7n, data: new Uint8Array(10_000) }, {
    "x-script-bin": script([], { headers: { "x-first": "one" }, trailing: { "x-last": "two" } }),
  });
  assert.equal(found.answer.number, 7n);
  assert.equal(found.answer.data.length, 10_000);
  assert.equal(found.headers["x-first"], "one");
  assert.equal(found.status.code, 0);
  assert.equal(found.status.metadata["x-last"], "two");
});

test("a unary call that fails, with details", async () => {
  const error = await unary(Bookstore, "OrderBook", { name: "shelves/fiction/books/first-folio" }).catch((error) => error);
  assert.equal(error.code, 9);
  const bytes = Buffer.from(error.metadata["grpc-status-details-bin"], "base64");
  const status = fromBinary(message("google.rpc.Status"), bytes);
  assert.ok(status.details.some(({ typeUrl }) => typeUrl.endsWith("google.rpc.ErrorInfo")));
  const words = await unary(Probe, "RunUnary", {}, { "x-script-bin": script([failing]) }).catch((error) => error);
  assert.equal(words.code, 10);
  assert.equal(words.message, failing.finish.message);
});

test("a server stream", async () => {
  const found = await stream(Probe, "RunServerStream", {}, {
    "x-script-bin": script([{ send: { count: 20, size: 3000 } }], { trailing: { "x-last": "two" } }),
  });
  // binary is buffered by this client until the end; text comes piece by piece
  assert.deepEqual(found.answers.map(({ number }) => Number(number)), [...Array(20).keys()]);
  assert.equal(found.error, undefined);
  assert.equal(found.status.metadata["x-last"], "two");
});

test("a server stream that fails behind a message, and one that fails at once", async () => {
  for (const count of [2, 0]) {
    const steps = count ? [{ send: { count } }, failing] : [failing];
    const found = await stream(Probe, "RunServerStream", {}, { "x-script-bin": script(steps) });
    assert.equal(found.answers.length, count);
    assert.equal(found.error.code, 10);
    assert.equal(found.error.message, failing.finish.message);
  }
});

test("a deadline and no route", async () => {
  const deadline = String(Date.now() + 300);
  const late = await unary(Probe, "RunUnary", {}, { "x-script-bin": script([{ hang: true }]), deadline }).catch((error) => error);
  assert.equal(late.code, 4);
  const nowhere = { typeName: "nobody.v1.Nobody", methods: Probe.methods };
  const refused = await unary(nowhere, "RunUnary", {}).catch((error) => error);
  assert.equal(refused.code, 12);
  assert.match(refused.message, /no route/);
});
