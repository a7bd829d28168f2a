import { mkdirSync, writeFileSync } from "node:fs";
import { memory } from "@tensorflow/tfjs-core";
import { diskFolder } from "sid-lsg/io";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCase } from "../../scripts/replay/case";
import { replay } from "../../scripts/replay/replay";
import { type BackendName, useBackend } from "../../src/backends";
import {
  type ContractReport,
  type ContractRow,
  checkCase,
  contract,
  replayed,
} from "../contracts/backends/run-contract";

/** `SID_BACKENDS=webgpu,node npm run test:contract` asks for others; they must start then. */
const backends = (process.env["SID_BACKENDS"] ?? "cpu,wasm").split(",") as BackendName[];

describe.each(backends)("every part of the library on %s", (backend) => {
  const rows: ContractRow[] = [];
  let recorded: ContractReport["replay"];

  beforeAll(async () => {
    await useBackend("cpu");
    await useBackend(backend);
  });
  afterAll(() => {
    const report: ContractReport = { place: "Node", backend, rows, replay: recorded };
    mkdirSync("runs/contract", { recursive: true });
    writeFileSync(`runs/contract/node-${backend}.json`, JSON.stringify(report, null, 1));
  });

  test.each(contract.map((one) => [`${one.group}: ${one.name}`, one] as const))("%s", async (_, one) => {
    const row = await checkCase(one, backend);
    rows.push(row);
    expect(row).toMatchObject({ pass: true, leaked: 0 });
  });

  test("the recorded run of the official loop", { timeout: 600_000 }, async () => {
    await useBackend(backend);
    const before = memory().numTensors;
    recorded = replayed(await replay(await readCase(diskFolder("test/golden/sd15-lsg1.5"))));
    expect(recorded).toMatchObject({ pass: true });
    expect(memory().numTensors).toBe(before);
  });
});

test("a wrong number, a wrong shape, a leak and an error are seen", async () => {
  await useBackend("cpu");
  await useBackend("wasm");
  const { getBackend, scalar, keep, tensor1d } = await import("@tensorflow/tfjs-core");
  const onWasm = () => getBackend() === "wasm";
  const row = (run: (...none: never) => ReturnType<(typeof contract)[number]["run"]>) =>
    checkCase({ group: "primitives", name: "spoilt", run }, "wasm");
  expect(await row(() => [scalar(1)])).toMatchObject({ error: 0, leaked: 0, pass: true });
  expect(await row(() => [scalar(onWasm() ? 1.0001 : 1)])).toMatchObject({ pass: false });
  expect(await row(() => [scalar(onWasm() ? Number.NaN : 1)])).toMatchObject({ error: null, pass: false });
  expect(await row(() => [onWasm() ? tensor1d([1]) : scalar(1)])).toMatchObject({ pass: false });
  expect(await row(() => [onWasm() ? keep(scalar(1)).clone() : scalar(1)])).toMatchObject({ leaked: 2, pass: false });
  const thrown = await row(() => {
    if (onWasm()) throw new Error("no such kernel");
    return [scalar(1)];
  });
  expect(thrown).toMatchObject({ pass: false, message: "no such kernel" });
});
