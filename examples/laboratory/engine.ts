/** Carries out orders and reports, without knowing who gives and gets them: a worker's, or a test's. */
import { memory } from "@tensorflow/tfjs-core";
import { SidError } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { type Contender, checkAlive, openContenders } from "./contest";
import { type Rule, ruleOf } from "./density";
import { identityGaps } from "./identity";
import type { ContenderView, Order, Report, Views } from "./protocol";
import { advanceAll, measureNow } from "./run";
import { isSameStage, openStage, type Stage } from "./stage";
import { checkNumber, checkState, contestantRanges, type LabState } from "./state";
import { fieldsOf, samplesOf, termsOf } from "./views";

/** What the engine needs of its surroundings. */
export interface Surroundings {
  /** Sends a report; the buffers may be handed over. */
  readonly report: (report: Report, buffers: ArrayBufferLike[]) => void;
  /** Lets waiting orders in. */
  readonly breathe: () => Promise<void>;
}

/** Milliseconds from frame to frame, at least. */
const frameEvery = 1000 / 30;
/** Of the time, what readings may take. */
const shareOfReadings = 0.15;

/** A stage and all on it. */
interface Contest {
  readonly id: number;
  readonly state: LabState;
  readonly stage: Stage;
  readonly rule: Rule;
  readonly contenders: readonly Contender[];
}

/** Takes orders in any order; each resolves when it is carried out, but `run`, which goes on until something stops it. */
export function makeEngine({ report, breathe }: Surroundings) {
  let contest: Contest | undefined;
  let views: Views = { samples: 0 };
  let latest = 0;
  let running = false;
  let stale = false;
  let queue = Promise.resolve();
  /** Orders that training stops for between two iterations. */
  const between: Order[] = [];

  const send = (message: Report) => report(message, [...new Set(buffersOf(message))]);
  const fail = (order: Order["kind"], error: unknown, id: number) =>
    send({
      ...{ kind: "failed", order },
      // No state is to blame where no backend computes.
      ...(order !== "start" && { id }),
      code: error instanceof SidError ? error.code : undefined,
      message: error instanceof Error ? error.message : String(error),
    });

  async function carryOut(order: Order): Promise<void> {
    if (order.kind === "start") return start(order);
    if (order.kind === "open") return open(order);
    // What was ordered for a state which was given up is nothing for the next one.
    if ((order.kind === "run" && !running) || (latest > 0 && contest?.id !== latest)) return;
    if (contest === undefined) throw new SidError("invalid-argument", "Nothing is open yet.");
    if (order.kind === "run") return train(contest).finally(carryOutBetween);
    if (order.kind === "step") {
      if (await advance(contest)) await showAll(contest);
      else await showEnd(contest);
    } else if (order.kind === "look") await showFrame(contest);
    else if (order.kind === "identity") await showIdentity(contest, order.contender, order.t);
  }

  async function start({ backend, wasmPath }: Extract<Order, { kind: "start" }>): Promise<void> {
    let line = `${backend}, as it was asked for`;
    await useBackend(backend, {
      ...(wasmPath !== undefined && { wasmPath }),
      log: (chosen) => {
        line = chosen.replace(/^sid-lsg: backend /, "");
      },
    });
    send({ kind: "backend", line });
  }

  async function open({ id, state }: Extract<Order, { kind: "open" }>): Promise<void> {
    if (id !== latest) return;
    // What is trained before the contest begins is the same wherever the stage is.
    const kept = contest && isSameStage(contest.state, state) ? contest.stage : undefined;
    await close(kept);
    const onProgress = async (done: number, total: number) => {
      send({ kind: "pretraining", id, done, total });
      await breathe();
      if (id !== latest) throw givenUp;
    };
    const stage = kept ?? (await openStage(state, onProgress));
    try {
      const contenders = await openContenders(state, stage);
      contest = { id, state, stage, rule: ruleOf(stage.world.law), contenders };
    } catch (error) {
      stage.dispose();
      throw error;
    }
    send({ kind: "opened", id, tensors: memory().numTensors });
    await showAll(contest);
  }

  /** Trains until it is done, paused, or another state shall be opened; shows itself meanwhile. */
  async function train(current: Contest): Promise<void> {
    let shown = 0;
    let read = performance.now();
    let reading = 0;
    while (running && current.id === latest) {
      if (!(await advance(current))) {
        running = false;
        return showEnd(current);
      }
      const now = performance.now();
      if (stale || now - shown >= frameEvery) {
        shown = now;
        await showFrame(current);
      }
      if ((now - read) * shareOfReadings >= reading) {
        const began = performance.now();
        await showReading(current);
        read = performance.now();
        reading = read - began;
      }
      await carryOutBetween();
      await breathe();
    }
  }

  /** None of them ends training, and none is for another contest than the one that was meant. */
  async function carryOutBetween(): Promise<void> {
    while (between.length > 0 && contest?.id === latest) {
      const order = between.shift() as Order;
      await carryOut(order).catch((error: unknown) => fail(order.kind, error, latest));
    }
  }

  async function advance({ state, contenders }: Contest): Promise<boolean> {
    const any = await advanceAll(contenders);
    for (const contender of contenders) checkAlive(contender, state.batch);
    return any;
  }

  async function showAll(current: Contest): Promise<void> {
    await showFrame(current);
    await showReading(current);
  }

  /** All iterations are done. */
  async function showEnd(current: Contest): Promise<void> {
    await showAll(current);
    send({ kind: "done", id: current.id });
  }

  async function showFrame({ id, state, stage, contenders }: Contest): Promise<void> {
    stale = false;
    const { samples, fields = [], terms } = views;
    const all: ContenderView[] = [];
    for (const contender of contenders) {
      const { metrics } = contender;
      const shown = [];
      for (const view of fields) shown.push(await fieldsOf(contender, stage, view));
      all.push({
        samples: await samplesOf(contender, stage, samples, state.seed),
        fields: shown,
        terms: terms && (await termsOf(contender, stage, terms)),
        loss: metrics?.generatorLoss ?? 0,
        divergence: metrics?.divergence,
      });
    }
    send({ kind: "frame", id, iteration: iterationOf(contenders), contenders: all });
  }

  async function showReading({ id, rule, contenders }: Contest): Promise<void> {
    const measured = [];
    for (const contender of contenders) measured.push(await measureNow(contender, rule));
    send({ kind: "reading", id, iteration: iterationOf(contenders), measured });
  }

  async function showIdentity({ id, state, stage, contenders }: Contest, contender: number, t: number): Promise<void> {
    const one = contenders[contender];
    if (one === undefined) throw new SidError("out-of-range", `There is no contender ${contender}.`);
    const gaps = await identityGaps(one, stage, { t, count: 1000, seed: state.seed });
    send({ kind: "identity", id, iteration: iterationOf(contenders), contender, t, gaps });
  }

  async function close(kept?: Stage): Promise<void> {
    const { contenders = [], stage } = contest ?? {};
    contest = undefined;
    for (const contender of contenders) await contender.dispose();
    if (stage !== kept) stage?.dispose();
  }

  function inTurn(order: Order): Promise<void> {
    const own = latest;
    const turn = queue
      .then(() => carryOut(order))
      .catch((error: unknown) => {
        if (error === givenUp) return;
        // The run of a later state is none of this one's, and a check ends none.
        if (own === latest && order.kind !== "identity") running = false;
        fail(order.kind, error, own);
      });
    queue = turn;
    return turn;
  }

  /** What cannot wait is done at once, even while training runs; all else when it is its turn. */
  function take(order: Order): Promise<void> {
    if (order.kind === "open") {
      // What cannot be opened leaves all as it is.
      checkState(order.state);
      latest = order.id;
      running = false;
      views = order.views;
      between.length = 0;
    } else if (order.kind === "look") {
      views = order.views;
      stale = true;
      if (running) return Promise.resolve();
    } else if (order.kind === "rate") {
      checkNumber(order.rate, order.value, contestantRanges[order.rate]);
      const one = contest?.id === latest && contest.contenders[order.contender];
      if (one) one.rates[order.rate] = order.value;
      return Promise.resolve();
    } else if (order.kind === "identity" && running) {
      between.push(order);
      return Promise.resolve();
    } else if (order.kind === "run") {
      if (running) return Promise.resolve();
      running = true;
    } else if (order.kind === "pause" || order.kind === "step") running = false;
    return inTurn(order);
  }

  return {
    /** Resolves when the order is carried out or has failed, but orders that running training takes resolve at once. */
    async order(order: Order): Promise<void> {
      try {
        await take(order);
      } catch (error) {
        fail(order.kind, error, order.kind === "open" ? order.id : latest);
      }
    },
    close: () => close(),
  };
}

/** Thrown where a later state makes the building of a stage needless. */
const givenUp = Symbol("given up");

function iterationOf(contenders: readonly Contender[]): number {
  return Math.max(0, ...contenders.map(({ metrics }) => metrics?.iteration ?? 0));
}

/** The buffers of all arrays of numbers in a report. */
function buffersOf(value: unknown): ArrayBufferLike[] {
  if (value instanceof Float32Array) return [value.buffer];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(buffersOf);
}
