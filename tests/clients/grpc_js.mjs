// @grpc/grpc-js against the port for gRPC callers, which describes itself by reflection.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { bits, collect, message, script, setting } from "./setting.mjs";

const options = { keepCase: true, longs: String, enums: String, defaults: true };
const loaded = grpc.loadPackageDefinition(
  protoLoader.loadFileDescriptorSetFromBuffer(readFileSync(setting.descriptors), options),
);
const insecure = grpc.credentials.createInsecure();
const books = new loaded.bookstore.v1.BookstoreService(setting.grpc, insecure);
const probe = new loaded.probe.v1.ProbeService(setting.grpc, insecure);

function following(steps, more) {
  const metadata = new grpc.Metadata();
  metadata.set("x-script-bin", Buffer.from(script(steps, more), "base64"));
  return metadata;
}

const unary = (client, name, request, metadata = new grpc.Metadata(), options = {}) =>
  new Promise((resolve, reject) => {
    const seen = {};
    const call = client[name](request, metadata, options, (error, answer) =>
      error ? reject(error) : setImmediate(() => resolve({ answer, ...seen })),
    );
    call.on("metadata", (found) => (seen.headers = found));
    call.on("status", (found) => (seen.status = found));
  });

test("a unary call, with metadata both ways", async () => {
  const metadata = following([], { headers: { "x-first": "one" }, trailing: { "x-last": "two" } });
  const found = await unary(probe, "RunUnary", { number: 7, data: Buffer.alloc(100_000) }, metadata);
  assert.equal(found.answer.number, "7");
  assert.equal(found.answer.data.length, 100_000);
  assert.deepEqual(found.headers.get("x-first"), ["one"]);
  assert.deepEqual(found.status.metadata.get("x-last"), ["two"]);
  const mine = new grpc.Metadata();
  mine.set("x-mine-bin", Buffer.from(bits, "base64"));
  const { answer } = await unary(probe, "Inspect", {}, mine);
  assert.deepEqual([...answer.metadata.find(({ key }) => key === "x-mine-bin").value], [0, 255, 7]);
});

test("streams of every kind", async () => {
  const titles = (await collect(books.StreamBooks({ parent: "shelves/science" }))).map(({ title }) => title);
  assert.ok(titles.includes("Sidereus Nuncius"));
  const answer = await new Promise((resolve, reject) => {
    const call = probe.RunClientStream(following([{ read: 0 }]), (error, found) => (error ? reject(error) : resolve(found)));
    for (const number of [1, 2, 3]) call.write({ number });
    call.end();
  });
  assert.equal(answer.number, "3");
  const both = books.RecommendBooks();
  const found = [];
  const subjects = ["sea", "nature"];
  both.write({ subject: subjects[0] });
  for await (const { subject } of both) {
    found.push(subject);
    if (found.length < subjects.length) both.write({ subject: subjects[found.length] });
    else both.end();
  }
  assert.deepEqual(found, subjects);
});

test("errors with details and words", async () => {
  const error = await unary(books, "OrderBook", { name: "shelves/fiction/books/first-folio" }).catch((error) => error);
  assert.equal(error.code, grpc.status.FAILED_PRECONDITION);
  const status = fromBinary(message("google.rpc.Status"), error.metadata.get("grpc-status-details-bin")[0]);
  assert.ok(status.details.length >= 2);
  const words = await unary(probe, "RunUnary", {}, following([{ finish: { code: 10, message: "„Bücher“ 本" } }])).catch((error) => error);
  assert.equal(words.details, "„Bücher“ 本");
});

test("deadline and cancellation", async () => {
  const late = await unary(probe, "RunUnary", {}, following([{ hang: true }]), { deadline: Date.now() + 200 }).catch((error) => error);
  assert.equal(late.code, grpc.status.DEADLINE_EXCEEDED);
  const metadata = following([{ hang: true }]);
  const id = `grpc-js-${process.pid}`;
  metadata.set("x-call-id", id);
  const call = probe.RunServerStream({}, metadata);
  const ended = collect(call).catch((error) => error);
  await unary(probe, "Await", { call_id: id, received: 1 });
  call.cancel();
  assert.equal((await ended).code, grpc.status.CANCELLED);
  const { answer } = await unary(probe, "Await", { call_id: id, cancelled: true });
  assert.equal(answer.cancelled, true);
});

test("reflection and health", async () => {
  const reflection = new loaded.grpc.reflection.v1alpha.ServerReflection(setting.grpc, insecure);
  const call = reflection.ServerReflectionInfo();
  call.write({ list_services: "" });
  for await (const answer of call) {
    const names = answer.list_services_response.service.map(({ name }) => name);
    assert.ok(names.includes("bookstore.v1.BookstoreService"), String(names));
    call.end();
  }
  const health = new loaded.grpc.health.v1.Health(setting.grpc, insecure);
  const { answer } = await unary(health, "Check", { service: "" });
  assert.equal(answer.status, "SERVING");
});
