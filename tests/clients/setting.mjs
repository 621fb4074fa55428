// Where the gateway of the tests is, what its services look like, and the scripts its probe server follows.
// $CLIENT_SETTING holds it as JSON: {grpc, http, descriptors}; see tests/integration/clients/conftest.py.

import { readFileSync } from "node:fs";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

export const setting = JSON.parse(process.env.CLIENT_SETTING);
export const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, readFileSync(setting.descriptors)),
);
export const Probe = registry.getService("probe.v1.ProbeService");
export const Bookstore = registry.getService("bookstore.v1.BookstoreService");
export const message = (name) => registry.getMessage(name);

const base64 = (bytes) => Buffer.from(bytes).toString("base64").replace(/=+$/, "");
export const bits = base64(Uint8Array.of(0, 255, 7));

// Steps of a script: {send: {count: 2}}, {read: 1}, {finish: {code: 10, message: "…"}}, {hang: true}, {echo: true}, …
export function script(steps, { trailing = {}, headers = undefined } = {}) {
  const schema = message("probe.v1.Script");
  const entries = (pairs) =>
    Object.entries(pairs).map(([key, value]) => ({ key, value: new TextEncoder().encode(value) }));
  if (headers !== undefined) steps = [{ headers: { entries: entries(headers) } }, ...steps];
  const program = create(schema, {
    steps: steps.map((step) => {
      const [[name, value]] = Object.entries(step);
      return { kind: { case: name, value } };
    }),
    trailing: entries(trailing),
  });
  return base64(toBinary(schema, program));
}

export async function collect(answers) {
  const found = [];
  for await (const answer of answers) found.push(answer);
  return found;
}

export async function* each(...items) {
  yield* items;
}
