// @grpc/grpc-js against a gateway that takes few streams on a connection and ends connections often, and with the
// argument `quiet` against one that does not.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { collect, script, setting } from "./setting.mjs";

const options = { keepCase: true, longs: Number, enums: String, defaults: true };
const { ProbeService } = grpc.loadPackageDefinition(
  protoLoader.loadFileDescriptorSetFromBuffer(readFileSync(setting.descriptors), options),
).probe.v1;

// a connection of its own for each test
const connect = (more = {}) =>
  new ProbeService(setting.grpc, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
    ...more,
  });

function following(...steps) {
  const metadata = new grpc.Metadata();
  metadata.set("x-script-bin", Buffer.from(script(steps), "base64"));
  return metadata;
}

const unary = (client, request, metadata) =>
  new Promise((resolve, reject) => {
    const deadline = Date.now() + 20_000;
    client.RunUnary(request, metadata, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });

if (process.argv[2] === "quiet") {
  // a gateway that ends connections would do here as well, if grpc-js did not ping what it has been told to leave and
  // give up all calls of it when it cannot (it does so with its own server, too)
  test("pings of a quiet stream are answered and not counted as a flood", async () => {
    const client = connect({ "grpc.keepalive_time_ms": 250, "grpc.keepalive_timeout_ms": 200 });
    const steps = [{ send: { count: 1 } }, { sleepMs: 3000 }, { send: { count: 1 } }];
    assert.equal((await collect(client.RunServerStream({}, following(...steps)))).length, 2);
  });
} else {
  test("large messages both ways", async () => {
    const client = connect();
    const data = Buffer.alloc(3 * 1024 * 1024, "abc");
    const both = client.RunBidi(following({ echo: true }));
    let number = 0;
    both.write({ number, data });
    for await (const answer of both) {
      assert.equal(answer.number, number);
      assert.ok(answer.data.equals(data));
      number += 1;
      if (number < 3) both.write({ number, data });
      else both.end();
    }
    assert.equal(number, 3);
  });

  test("messages in gzip pass as they are: 8 MB of zeros are over the limit otherwise", async () => {
    const request = { data: Buffer.alloc(8 * 1024 * 1024) };
    const answer = (client) => collect(client.RunServerStream(request, following({ send: { count: 1 } })));
    const gzip = connect({ "grpc.default_compression_algorithm": 2 });
    assert.equal((await answer(gzip)).length, 1);
    const plain = await answer(connect()).catch((error) => error);
    assert.equal(plain.code, grpc.status.RESOURCE_EXHAUSTED);
  });

  test("more calls at once than a connection takes", async () => {
    const client = connect();
    const wait = following({ sleepMs: 20 });
    const answers = await Promise.all([...Array(100).keys()].map((number) => unary(client, { number }, wait)));
    assert.deepEqual(
      answers.map(({ number }) => number),
      [...Array(100).keys()],
    );
  });

  test("no call fails when the gateway ends connections", async () => {
    const client = connect();
    const wait = following({ sleepMs: 5 });
    const end = Date.now() + 3500;
    let calls = 0;
    const load = async () => {
      while (Date.now() < end) {
        await unary(client, {}, wait);
        calls += 1;
      }
    };
    await Promise.all([load(), load(), load(), load()]);
    assert.ok(calls > 100, String(calls));
  });
}
