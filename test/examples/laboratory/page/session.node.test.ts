import { beforeEach, expect, test } from "vitest";
import type { Client, ClientOptions } from "../../../../examples/laboratory/page/client";
import { openSession, type Session, type Status } from "../../../../examples/laboratory/page/session";
import type { Order, Report } from "../../../../examples/laboratory/protocol";
import { defaultState } from "../../../../examples/laboratory/state";

interface FakeWorker extends ClientOptions {
  readonly orders: Order[];
  closed: boolean;
}

let workers: FakeWorker[];
let statuses: Status[];
let backends: string[];
let choices: string[];
let frames: number;
let session: Session;

const openFake = (options: ClientOptions): Client => {
  const worker: FakeWorker = { ...options, orders: [], closed: false };
  workers.push(worker);
  return {
    order: (order) => void worker.orders.push(order),
    close() {
      worker.closed = true;
    },
  };
};

const start = (open = openFake) =>
  openSession({
    wasmPath: "http://x/wasm/",
    views: () => ({ samples: 3 }),
    onStatus: (status) => void statuses.push(status),
    onBackend(line, backend) {
      backends.push(line);
      choices.push(backend);
    },
    onFrame: () => void frames++,
    onReading: () => {},
    onIdentity: () => {},
    open,
  });

beforeEach(() => {
  [workers, statuses, backends, choices, frames] = [[], [], [], [], 0];
  session = start();
});

const worker = () => workers.at(-1) as FakeWorker;
const report = (message: Report) => worker().onReport(message);
const last = () => statuses.at(-1) as Status;
const kinds = () => worker().orders.map(({ kind }) => kind);
const opened = (id = 1): Report => ({ kind: "opened", id, tensors: 0 });
const frame = (id: number, iteration: number): Report => ({
  ...{ kind: "frame", id, iteration, contenders: [] },
});
const failure = (order: Order["kind"], code: string, message = "why"): Report => ({
  ...{ kind: "failed", order, code, message },
});

test("a state is opened in a worker that computes on wasm, and trained where that is wanted", () => {
  session.open(defaultState, true);
  expect(kinds()).toEqual(["start", "open", "run"]);
  expect(worker().orders[0]).toEqual({ kind: "start", backend: "wasm", wasmPath: "http://x/wasm/" });
  report({ kind: "pretraining", id: 1, done: 30, total: 60 });
  expect([session.phase, session.progress]).toEqual(["pretraining", 0.5]);
  report(opened());
  expect(session.phase).toBe("running");
  session.pause();
  expect([session.phase, kinds().at(-1)]).toEqual(["paused", "pause"]);
  session.open({ ...defaultState, seed: 2 }, false);
  expect(workers).toHaveLength(1);
  expect(kinds().at(-1)).toBe("open");
});

test("frames of a state that is no longer looked at are not shown", () => {
  session.open(defaultState, true);
  session.open({ ...defaultState, seed: 2 }, true);
  report(frame(1, 5));
  expect(frames).toBe(0);
  report(opened(2));
  report(frame(2, 300));
  expect([frames, session.progress]).toEqual([1, 0.5]);
});

test("without WebAssembly's SIMD plain JavaScript computes, and the page says why", () => {
  session.open(defaultState, true);
  report(failure("start", "unsupported", "useBackend: there is no SIMD"));
  expect([workers.length, workers[0]?.closed]).toEqual([2, true]);
  expect(worker().orders[0]).toMatchObject({ kind: "start", backend: "cpu" });
  expect(kinds()).toEqual(["start", "open", "run"]);
  report({ kind: "backend", line: "cpu" });
  expect(backends).toEqual(["cpu, in place of wasm: useBackend: there is no SIMD"]);
  expect(choices).toEqual(["cpu"]);
});

test("a browser without workers is told so", () => {
  const none = start(() => {
    throw new ReferenceError("Worker is not defined");
  });
  none.open(defaultState, true);
  expect(last()).toMatchObject({ phase: "failed", remedy: "again" });
  expect(last().text).toContain("no worker");
});

test("a lost worker is told, and starting again keeps the state", () => {
  session.open({ ...defaultState, seed: 7 }, true);
  worker().onLost("has not answered for 20 seconds");
  expect(last()).toMatchObject({ phase: "failed", remedy: "again" });
  expect(last().text).toContain("What you have set is kept");
  session.restart(true);
  expect(workers).toHaveLength(2);
  expect(worker().orders[1]).toMatchObject({ kind: "open", state: { seed: 7 } });
});

for (const [order, code] of [
  ["run", "device-lost"],
  ["start", "missing-backend"],
] as const)
  test(`WebGPU that fails to ${order} has WASM offered`, () => {
    session.open(defaultState, true);
    session.restart(true, "webgpu");
    expect(worker().orders[0]).toMatchObject({ backend: "webgpu" });
    report(failure(order, code, "the GPU is lost"));
    expect(last()).toMatchObject({ phase: "failed", remedy: "wasm", text: expect.stringMatching(/the GPU is lost$/) });
    session.restart(true, "wasm");
    expect(worker().orders[0]).toMatchObject({ backend: "wasm" });
    expect(kinds()).toEqual(["start", "open", "run"]);
  });

for (const order of ["run", "look", "identity"] as const)
  test(`a GPU that is lost at ${order} is told, and whatever is set next has another worker`, () => {
    session.open(defaultState, true);
    session.restart(true, "webgpu");
    report(opened(2));
    report({ ...failure(order, "device-lost"), id: 2 } as Report);
    expect(last()).toMatchObject({ phase: "failed", remedy: "wasm" });
    expect(last().text).toMatch(/^The GPU was lost.*What you have set is kept/);
    expect(worker().closed).toBe(true);
    session.look();
    session.open({ ...defaultState, seed: 2 }, session.wanted);
    expect([workers.length, worker().closed]).toEqual([3, false]);
    expect(kinds()).toEqual(["start", "open", "run"]);
    expect(worker().orders[0]).toMatchObject({ backend: "webgpu" });
  });

test("a run that diverges is told in the engine's words, and may begin again in the same worker or another", () => {
  session.open(defaultState, true);
  report(opened());
  report(failure("run", "not-finite", "It has diverged."));
  expect(last()).toEqual({ phase: "failed", text: "It has diverged.", remedy: "again" });
  session.run();
  expect(
    worker()
      .orders.slice(-2)
      .map(({ kind }) => kind),
  ).toEqual(["open", "run"]);
});

test("a check that fails stops no training", () => {
  session.open(defaultState, true);
  report(opened());
  report(failure("identity", "out-of-range", "take a later time"));
  expect(last()).toEqual({ phase: "running", text: "take a later time" });
});

test("when all iterations are done, running begins again", () => {
  session.open(defaultState, true);
  report(opened());
  report({ kind: "done", id: 1 });
  expect([session.phase, session.wanted]).toEqual(["done", false]);
  session.run();
  expect(kinds().slice(-2)).toEqual(["open", "run"]);
  expect(worker().orders.at(-2)).toMatchObject({ id: 2 });
});

test("a step size moves where the state is built and trains or pauses, and that is known until the next is built", () => {
  session.open(defaultState, true);
  const movable = [session.movable];
  report({ kind: "pretraining", id: 1, done: 30, total: 60 });
  movable.push(session.movable);
  report(opened());
  movable.push(session.movable);
  session.rate(0, "learningRate", 0.01);
  session.pause();
  movable.push(session.movable);
  expect([movable, session.moved]).toEqual([[false, false, true, true], true]);
  // It still says that it is paused.
  session.open({ ...defaultState, seed: 2 }, true);
  expect([session.phase, session.movable, session.moved]).toEqual(["paused", false, false]);
  report(opened(2));
  report({ kind: "done", id: 2 });
  expect(session.movable).toBe(false);
});

test("what failed for a state that is no longer looked at is not told", () => {
  session.open(defaultState, true);
  session.open({ ...defaultState, seed: 2 }, true);
  report(opened(2));
  report({ ...failure("run", "not-finite"), id: 1 } as Report);
  expect(session.phase).toBe("running");
  report({ ...failure("run", "not-finite"), id: 2 } as Report);
  expect(session.phase).toBe("failed");
});

test("a state that could not be built is asked nothing, for it does not answer; one that broke off is", () => {
  session.open(defaultState, true);
  report({ ...failure("open", "out-of-memory"), id: 1 } as Report);
  session.look();
  session.identity(0, 300);
  expect(kinds()).toEqual(["start", "open", "run"]);
  session.run();
  report(opened(2));
  report({ ...failure("run", "not-finite"), id: 2 } as Report);
  session.look();
  expect(kinds().at(-1)).toBe("look");
});

test("a step size that was moved is part of the state that begins again", () => {
  session.open(defaultState, true);
  session.remember({ ...defaultState, seed: 9 });
  session.rate(0, "learningRate", 0.01);
  session.restart(true);
  expect(worker().orders.at(-2)).toMatchObject({ kind: "open", state: { seed: 9 } });
});
