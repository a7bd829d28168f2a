import { setImmediate } from "node:timers/promises";
import { memory } from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { makeEngine } from "../../../examples/laboratory/engine";
import type { Frame, Order, Reading, Report, Views } from "../../../examples/laboratory/protocol";
import { defaultState, type LabState } from "../../../examples/laboratory/state";
import { useBackend } from "../../../src/backends";

const state: LabState = {
  ...{ ...defaultState, batch: 32, iterations: 12, pretraining: 20 },
  contestants: [{ method: "sid" }, { method: "diff-instruct" }],
};
const views: Views = {
  samples: 18,
  fields: [{ t: 300, across: 3, extent: 2 }],
  terms: { t: 300, class: 0, count: 1, seed: 1 },
};

let tensors: number;
let reports: Report[];
let engine: ReturnType<typeof makeEngine>;
/** Is called at each breath. */
let onBreath: () => void;
/** Is called before each report, and may throw as a worker's port does. */
let onReport: (report: Report) => void;

beforeAll(async () => {
  await useBackend("wasm");
});
beforeEach(() => {
  tensors = memory().numTensors;
  reports = [];
  onBreath = () => {};
  onReport = () => {};
  engine = makeEngine({
    report(message, buffers) {
      onReport(message);
      reports.push(structuredClone(message, { transfer: buffers as ArrayBuffer[] }));
    },
    async breathe() {
      onBreath();
      await setImmediate();
    },
  });
});
afterEach(async () => {
  await engine.close();
  expect(memory().numTensors, "leaked tensors").toBe(tensors);
});

const kinds = () => reports.map(({ kind }) => kind);
const all = <K extends Report["kind"]>(kind: K) =>
  reports.filter((report) => report.kind === kind) as Extract<Report, { kind: K }>[];
const open = (id: number, changes: Partial<LabState> = {}): Order => ({
  kind: "open",
  id,
  state: { ...state, ...changes },
  views,
});
const last = () => all("frame").at(-1) as Frame;

test("a state is opened, shown, run to its end and measured", async () => {
  await engine.order({ kind: "start", backend: "wasm" });
  await engine.order(open(1));
  expect(kinds()).toEqual(["backend", "pretraining", "pretraining", "opened", "frame", "reading"]);
  const [first] = all("frame");
  expect(first?.iteration).toBe(0);
  expect(first?.contenders.map(({ samples }) => samples.map((points) => points.length))).toEqual([
    [16, 20],
    [16, 20],
  ]);
  expect(first?.contenders[0]?.samples).toEqual(first?.contenders[1]?.samples);
  expect(first?.contenders[0]?.fields[0]?.teacher).toHaveLength(18);
  expect(Object.keys(first?.contenders[0]?.terms?.answers ?? {})).toEqual(["teacher", "fake"]);
  await engine.order({ kind: "run" });
  expect(all("done")).toHaveLength(1);
  expect(last().iteration).toBe(12);
  expect(last().contenders[0]?.samples).not.toEqual(last().contenders[1]?.samples);
  const reading = all("reading").at(-1) as Reading;
  expect(reading.iteration).toBe(12);
  for (const { kl } of reading.measured) expect(kl).toBeGreaterThan(0);
});

test("a state that is opened and run while another one pretrains is trained to its end", async () => {
  let later: Promise<unknown> | undefined;
  onBreath = () => {
    if (later || all("pretraining").length === 0) return;
    later = Promise.all([engine.order(open(2, { seed: 2 })), engine.order({ kind: "run" })]);
  };
  await Promise.all([engine.order(open(1)), engine.order({ kind: "run" })]);
  await later;
  expect(all("failed")).toEqual([]);
  expect(all("done").map(({ id }) => id)).toEqual([2]);
  expect(last().iteration).toBe(12);
});

test("what was asked of a state that was given up while it pretrains stops no run of the next", async () => {
  let later: Promise<unknown> | undefined;
  onBreath = () => {
    if (later || all("pretraining").length === 0) return;
    const orders: Order[] = [
      { kind: "look", views },
      { kind: "identity", contender: 0, t: 300 },
      { kind: "step" },
      open(2, { seed: 2 }),
      { kind: "run" },
    ];
    later = Promise.all(orders.map((order) => engine.order(order)));
  };
  await engine.order(open(1));
  await later;
  expect(all("failed")).toEqual([]);
  expect(all("done").map(({ id }) => id)).toEqual([2]);
});

test("a run that fails ends none of the state after it, and says whose it was", async () => {
  let later: Promise<unknown> | undefined;
  onReport = ({ kind }) => {
    if (later || kind !== "frame") return;
    later = Promise.all([engine.order(open(2, { seed: 2 })), engine.order({ kind: "run" })]);
    throw new Error("cannot be sent");
  };
  await Promise.all([engine.order(open(1)), engine.order({ kind: "run" })]);
  await later;
  expect(all("failed")).toMatchObject([{ order: "open", id: 1, message: "cannot be sent" }]);
  expect(all("done").map(({ id }) => id)).toEqual([2]);
});

test("another method on the same stage needs no pretraining again, and trains as if it had been there first", async () => {
  const [changed] = [{ contestants: [{ method: "sid", alpha: 0.5 }] }] as const;
  await engine.order(open(1));
  await engine.order({ kind: "step" });
  const before = all("pretraining").length;
  await engine.order(open(2, changed));
  await engine.order({ kind: "run" });
  expect(all("pretraining")).toHaveLength(before);
  const kept = last();
  await engine.order(open(3, { seed: 5 }));
  expect(all("pretraining").length).toBeGreaterThan(before);
  await engine.order(open(4, changed));
  await engine.order({ kind: "run" });
  expect(last().contenders[0]?.samples).toEqual(kept.contenders[0]?.samples);
  const [, second, , fourth] = all("opened");
  expect(fourth?.tensors).toBe(second?.tensors);
});

test("orders that come while it trains are heeded: views, rates, a check in between, a pause", async () => {
  await engine.order(open(1));
  let breaths = 0;
  onBreath = () => {
    breaths++;
    if (breaths === 2) engine.order({ kind: "look", views: { samples: 9 } });
    if (breaths === 3) engine.order({ kind: "identity", contender: 0, t: 300 });
    if (breaths === 4) engine.order({ kind: "rate", contender: 1, rate: "learningRate", value: 1e-6 });
    if (breaths === 6) engine.order({ kind: "pause" });
  };
  await engine.order({ kind: "run" });
  expect(all("done")).toHaveLength(0);
  expect(all("identity")).toMatchObject([{ contender: 0, t: 300, iteration: 4 }]);
  const paused = last();
  expect(paused.contenders[0]?.samples.map((points) => points.length)).toEqual([8, 10]);
  expect(paused.contenders[0]?.fields).toEqual([]);
  const average = (frame: Frame) => frame.contenders[1]?.samples[0]?.[0];
  await engine.order({ kind: "step" });
  const [before, { iteration }] = [average(last()), last()];
  expect(iteration).toBe(7);
  await engine.order({ kind: "step" });
  expect(last().iteration).toBe(8);
  // The average still follows the generator, which all but stands.
  expect(Math.abs((average(last()) as number) - (before as number))).toBeLessThan(0.05);
  await engine.order({ kind: "run" });
  expect(all("done")).toHaveLength(1);
  expect(last().iteration).toBe(12);
});

test("a step after the last one says that all are done", async () => {
  await engine.order(open(1, { iterations: 1 }));
  await engine.order({ kind: "step" });
  expect([last().iteration, all("done").length]).toEqual([1, 0]);
  const frames = all("frame").length;
  await engine.order({ kind: "step" });
  expect([last().iteration, all("done")]).toEqual([1, [{ kind: "done", id: 1 }]]);
  expect(all("frame").length).toBeGreaterThan(frames);
});

test("a later state takes the place of one that is being built or trains; nothing of the earlier one follows", async () => {
  const given = engine.order(open(1));
  await engine.order(open(2));
  await given;
  expect(new Set(all("opened").map(({ id }) => id))).toEqual(new Set([2]));
  let later: Promise<void> | undefined;
  onBreath = () => {
    later ??= engine.order(open(3, { seed: 2 }));
  };
  await engine.order({ kind: "run" });
  await later;
  expect(all("done")).toHaveLength(0);
  expect(last().id).toBe(3);
  expect(all("failed")).toEqual([]);
});

test("what cannot be is told in words, and the next state is opened all the same", async () => {
  await engine.order({ kind: "run" });
  expect(all("failed")[0]).toMatchObject({ order: "run", code: "invalid-argument", message: "Nothing is open yet." });
  await engine.order(open(1, { batch: 4 }));
  expect(all("failed")[1]).toMatchObject({
    order: "open",
    code: "out-of-range",
    message: expect.stringMatching(/batch must be/),
  });
  await engine.order(open(2));
  await engine.order({ kind: "rate", contender: 0, rate: "learningRate", value: Number.NaN });
  expect(all("failed")[2]).toMatchObject({ order: "rate", code: "out-of-range" });
  await engine.order({ kind: "identity", contender: 2, t: 300 });
  expect(all("failed")[3]).toMatchObject({ order: "identity", message: "There is no contender 2." });
  await engine.order({ kind: "step" });
  expect(last().iteration).toBe(1);
});

test("a state that cannot be leaves the contest that is open as it was", async () => {
  await engine.order(open(1));
  let later: Promise<void> | undefined;
  onBreath = () => {
    later ??= engine.order(open(2, { batch: 4 }));
  };
  await engine.order({ kind: "run" });
  await later;
  expect(all("failed")).toHaveLength(1);
  expect(all("done")).toEqual([{ kind: "done", id: 1 }]);
  expect(last()).toMatchObject({ id: 1, iteration: 12 });
});

test("a check that fails does not end training", async () => {
  await engine.order(open(1));
  let breaths = 0;
  onBreath = () => {
    breaths++;
    if (breaths === 2) engine.order({ kind: "identity", contender: 2, t: 300 });
    if (breaths === 3) engine.order({ kind: "identity", contender: 0, t: 300 });
  };
  await engine.order({ kind: "run" });
  expect(all("failed")).toMatchObject([{ order: "identity", message: "There is no contender 2." }]);
  expect(all("identity")).toHaveLength(1);
  expect(all("done")).toHaveLength(1);
});

test("a check that comes when training ends is answered, and none for another contest", async () => {
  await engine.order(open(1));
  let breaths = 0;
  onBreath = () => {
    breaths++;
    if (breaths === 12) engine.order({ kind: "identity", contender: 0, t: 300 });
  };
  await engine.order({ kind: "run" });
  expect(breaths).toBe(12);
  expect(all("identity").map(({ id }) => id)).toEqual([1]);
  await engine.order(open(2));
  let later: Promise<void> | undefined;
  onBreath = () => {
    if (later) return;
    engine.order({ kind: "identity", contender: 0, t: 300 });
    later = engine.order(open(3));
  };
  await engine.order({ kind: "run" });
  await later;
  onBreath = () => {};
  await engine.order({ kind: "run" });
  expect(all("identity").map(({ id }) => id)).toEqual([1]);
});

test("ten runs leave no more than one", async () => {
  await engine.order(open(1));
  const after = memory().numTensors;
  for (let id = 2; id <= 10; id++) {
    await engine.order(open(id, { iterations: 1, pretraining: 2 }));
    await engine.order({ kind: "run" });
  }
  await engine.order(open(11));
  expect(memory().numTensors).toBe(after);
});
