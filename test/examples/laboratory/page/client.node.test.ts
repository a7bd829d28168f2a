import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openClient } from "../../../../examples/laboratory/page/client";
import type { Order } from "../../../../examples/laboratory/protocol";
import { defaultState } from "../../../../examples/laboratory/state";

class FakeWorker extends EventTarget {
  static all: FakeWorker[] = [];
  orders: Order[] = [];
  ended = false;
  constructor() {
    super();
    FakeWorker.all.push(this);
  }
  postMessage(order: Order): void {
    this.orders.push(order);
  }
  terminate(): void {
    this.ended = true;
  }
  say(data: unknown): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
}

let lost: string[];
let heard: string[];

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("Worker", FakeWorker);
  [FakeWorker.all, lost, heard] = [[], [], []];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const start = () => {
  const client = openClient({
    onReport: ({ kind }) => void heard.push(kind),
    onLost: (reason) => void lost.push(reason),
  });
  return { client, worker: FakeWorker.all[0] as FakeWorker };
};
const open: Order = { kind: "open", id: 1, state: defaultState, views: { samples: 1 } };

test("a worker that answers is not lost, and one that stands still need not", () => {
  const { client, worker } = start();
  client.order(open);
  worker.say({ kind: "pretraining" });
  vi.advanceTimersByTime(15_000);
  worker.say({ kind: "opened" });
  vi.advanceTimersByTime(120_000);
  client.order({ kind: "pause" });
  vi.advanceTimersByTime(120_000);
  expect([lost, heard]).toEqual([[], ["pretraining", "opened"]]);
});

test("one that says nothing while it should train is ended, and that is told", () => {
  const { client, worker } = start();
  client.order(open);
  client.order({ kind: "run" });
  worker.say({ kind: "frame" });
  vi.advanceTimersByTime(19_000);
  worker.say({ kind: "frame" });
  vi.advanceTimersByTime(21_000);
  expect(lost).toEqual([]);
  vi.advanceTimersByTime(2000);
  expect([lost, worker.ended]).toEqual([["has not answered for 20 seconds"], true]);
});

test("a step size that is moved gives a worker that hangs no more time", () => {
  const { client, worker } = start();
  client.order(open);
  client.order({ kind: "run" });
  worker.say({ kind: "frame" });
  vi.advanceTimersByTime(15_000);
  client.order({ kind: "rate", contender: 0, rate: "learningRate", value: 0.01 });
  vi.advanceTimersByTime(7001);
  expect(lost).toHaveLength(1);
});

test("one that breaks off is told with its reason, one that does not start with another", () => {
  start().worker.dispatchEvent(Object.assign(new Event("error"), { message: "out of memory" }));
  FakeWorker.all = [];
  start().worker.dispatchEvent(Object.assign(new Event("error"), { message: "" }));
  expect(lost).toEqual(["stopped: out of memory", "did not start: its script cannot be loaded"]);
});

test("closing ends the worker without a word", () => {
  const { client, worker } = start();
  client.order(open);
  client.close();
  vi.advanceTimersByTime(60_000);
  expect([worker.ended, lost]).toEqual([true, []]);
});
