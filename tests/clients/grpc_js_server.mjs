// The scripted upstream of tests/support/probe_server.py once more, on @grpc/grpc-js.
// node grpc_js_server.mjs --descriptors FILE --ready-file FILE [--port 0] [--max-streams N] [--max-age-ms N]

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const names = ["descriptors", "ready-file", "port", "max-streams", "max-age-ms"];
const { values: given } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" }])) });
const described = readFileSync(given.descriptors);
const Script = createFileRegistry(fromBinary(FileDescriptorSetSchema, described)).getMessage("probe.v1.Script");
const options = { keepCase: true, longs: Number, enums: String, defaults: true };
const loaded = protoLoader.loadFileDescriptorSetFromBuffer(described, options);
const definition = loaded["probe.v1.ProbeService"];

const records = new Map();
const waiting = new Set();
const released = new Map();

const changed = () => [...waiting].forEach((look) => look());

function until(condition) {
  return new Promise((resolve) => {
    const look = () => condition() && (waiting.delete(look), resolve());
    waiting.add(look);
    look();
  });
}

function begin(call) {
  const metadata = Object.entries(call.metadata.toJSON()).flatMap(([key, values]) =>
    values.map((value) => ({ key, value: Buffer.from(value) })),
  );
  const record = { server: "grpc-js", metadata, received: 0, sent: 0, half_closed: false, ended: false, cancelled: false };
  record.call_id = String(call.metadata.get("x-call-id")[0] ?? "");
  const deadline = Number(call.getDeadline());
  if (Number.isFinite(deadline)) record.time_remaining = (deadline - Date.now()) / 1000;
  if (record.call_id) records.set(record.call_id, record);
  call.on("cancelled", () => {
    record.cancelled = record.ended = true;
    changed();
  });
  changed();
  return record;
}

function metadataOf(entries) {
  const found = new grpc.Metadata();
  for (const { key, value } of entries)
    found.add(key, key.endsWith("-bin") ? Buffer.from(value) : Buffer.from(value).toString());
  return found;
}

// what the four kinds of calls differ in: how messages are read and written, and how the call ends
function run(streams) {
  return async (call, callback) => {
    const record = begin(call);
    const [bytes] = call.metadata.get("x-script-bin");
    const script = bytes ? fromBinary(Script, bytes) : { steps: [], trailing: [] };
    const trailing = metadataOf(script.trailing);
    const incoming = streams ? call.iterator({ destroyOnReturn: false }) : undefined;
    let last = call.request;
    if (!streams) record.received = 1;
    const write = async (message) => {
      if (!call.write(message)) await new Promise((resolve) => call.once("drain", resolve));
      record.sent += 1;
      changed();
    };
    const read = async () => {
      const { done, value } = await incoming.next();
      if (done) record.half_closed = true;
      else (last = value), (record.received += 1);
      changed();
      return !done;
    };
    const finish = (code, details) => {
      record.ended = true;
      changed();
      const failed = code ? { code, details, metadata: trailing } : null;
      if (callback) callback(failed, last ?? {}, trailing);
      else if (failed) call.emit("error", failed);
      else call.end(trailing);
    };
    try {
      for (const { kind } of script.steps) {
        const { value } = kind;
        if (kind.case === "headers") call.sendMetadata(metadataOf(value.entries));
        else if (kind.case === "send")
          for (let number = 0; number < value.count; number++) await write({ number, data: Buffer.alloc(value.size) });
        else if (kind.case === "read") for (let count = 0; (!value || count < value) && (await read()); ) count += 1;
        else if (kind.case === "echo") while (await read()) await write(last);
        else if (kind.case === "sleepMs") await new Promise((resolve) => setTimeout(resolve, value));
        else if (kind.case === "wait") await until(() => released.get(record.call_id));
        else if (kind.case === "finish") return finish(value.code, value.message);
        else if (kind.case === "hang") return;
      }
      finish(0);
    } catch (error) {
      if (!record.cancelled) finish(grpc.status.INTERNAL, String(error));
    }
  };
}

const reached = (record, wanted) =>
  record !== undefined && ["received", "sent", "half_closed", "ended", "cancelled"].every((name) => record[name] >= wanted[name]);

const server = new grpc.Server({
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  ...(given["max-streams"] && { "grpc.max_concurrent_streams": Number(given["max-streams"]) }),
  ...(given["max-age-ms"] && {
    "grpc.max_connection_age_ms": Number(given["max-age-ms"]),
    "grpc.max_connection_age_grace_ms": 10_000,
  }),
});
server.addService(definition, {
  Inspect: (call, callback) => callback(null, begin(call)),
  RunUnary: run(false),
  RunServerStream: run(false),
  RunClientStream: run(true),
  RunBidi: run(true),
  Await: async ({ request }, callback) => {
    await until(() => reached(records.get(request.call_id), request));
    callback(null, records.get(request.call_id));
  },
  Release: ({ request }, callback) => {
    released.set(request.call_id, true);
    changed();
    callback(null, {});
  },
});
server.bindAsync(`127.0.0.1:${given.port ?? 0}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  const file = given["ready-file"];
  writeFileSync(`${file}.unfinished`, JSON.stringify({ pid: process.pid, address: `127.0.0.1:${port}` }));
  renameSync(`${file}.unfinished`, file);
});
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
