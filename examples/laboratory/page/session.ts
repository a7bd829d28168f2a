/** A reader's session: the state that is looked at, the worker that trains it, and how far it is. Knows no elements. */
import type { BackendChoice } from "../../browser/protocol";
import type { Frame, Order, RateName, Reading, Report, Views } from "../protocol";
import type { LabState } from "../state";
import { type Client, openClient } from "./client";

/** What the session is at. */
export type Phase = "starting" | "pretraining" | "ready" | "running" | "paused" | "done" | "failed";

export interface Status {
  readonly phase: Phase;
  /** In words for the reader. */
  readonly text: string;
  /** What may help where it failed. */
  readonly remedy?: "again" | "wasm";
}

export interface SessionOptions {
  /** Where the backend's binaries lie. */
  readonly wasmPath: string;
  readonly views: () => Views;
  readonly onStatus: (status: Status) => void;
  /** In a line, and as the choice that it comes from. */
  readonly onBackend: (line: string, backend: BackendChoice) => void;
  readonly onFrame: (frame: Frame) => void;
  readonly onReading: (reading: Reading) => void;
  readonly onIdentity: (report: Extract<Report, { kind: "identity" }>) => void;
  /** @defaultValue a worker */
  readonly open?: typeof openClient;
}

export interface Session {
  readonly phase: Phase;
  /** Of the work at hand, from 0 to 1. */
  readonly progress: number;
  /** Whether it trains, or shall as soon as it can. */
  readonly wanted: boolean;
  /** Whether a step size can move: the state is built, and trains or pauses. */
  readonly movable: boolean;
  /** Whether one has moved since the state was built, so that its program ends with other numbers. */
  readonly moved: boolean;
  /** Builds a state in place of the one before, and trains it where `run` says so. */
  open(state: LabState, run: boolean): void;
  run(): void;
  pause(): void;
  step(): void;
  /** The state is another by now, though training goes on. */
  remember(state: LabState): void;
  /** Sends what is looked at now. */
  look(): void;
  rate(contender: number, rate: RateName, value: number): void;
  identity(contender: number, t: number): void;
  /** Begins anew, with another worker where the one before is gone or another backend is wanted. */
  restart(run: boolean, backend?: BackendChoice): void;
  close(): void;
}

const lostGpu =
  "The GPU was lost: the system took it away, or its driver failed. What you have set is kept, and “Start again” tries the GPU anew.";

export function openSession(options: SessionOptions): Session {
  const { wasmPath, views, open = openClient } = options;
  let client: Client | undefined;
  let backend: BackendChoice = "wasm";
  let state: LabState | undefined;
  let wanted = false;
  let id = 0;
  let phase: Phase = "starting";
  let instead = "";
  let progress = 0;
  let built = false;
  let moved = false;

  const tell = (next: Phase, text: string, remedy?: Status["remedy"]) => {
    phase = next;
    options.onStatus({ phase, text, ...(remedy && { remedy }) });
  };
  const order = (message: Order) => client?.order(message);
  /** Asks the state that is built, or being built; where it cannot be, nothing answers. */
  const ask = (message: Order) => (built || phase !== "failed") && order(message);

  function start(): void {
    client?.close();
    tell("starting", "Starting …");
    try {
      client = open({ onReport: receive, onLost: lost });
    } catch (error) {
      client = undefined;
      tell("failed", `This browser starts no worker, in which all is computed: ${messageOf(error)}`, "again");
      return;
    }
    order({ kind: "start", backend, wasmPath });
    if (state) begin(state);
  }

  function begin(next: LabState): void {
    id++;
    progress = 0;
    built = false;
    moved = false;
    order({ kind: "open", id, state: next, views: views() });
    if (wanted) order({ kind: "run" });
  }

  function lost(reason: string): void {
    client = undefined;
    tell("failed", `The worker that computes ${reason}. What you have set is kept.`, "again");
  }

  function receive(report: Report): void {
    if ("id" in report && report.id !== id) return;
    if (report.kind === "backend") options.onBackend(`${report.line}${instead}`, backend);
    else if (report.kind === "pretraining") {
      progress = report.done / report.total;
      tell("pretraining", "First a network learns to denoise the law; all others start as its copies.");
    } else if (report.kind === "opened") {
      progress = 0;
      built = true;
      tell(wanted ? "running" : "ready", wanted ? "Training." : "Ready.");
    } else if (report.kind === "frame") {
      progress = report.iteration / (state?.iterations ?? 1);
      options.onFrame(report);
    } else if (report.kind === "reading") options.onReading(report);
    else if (report.kind === "identity") options.onIdentity(report);
    else if (report.kind === "done") {
      wanted = false;
      tell("done", "Done: all iterations are over.");
    } else failed(report);
  }

  function failed({ order: what, code, message }: Extract<Report, { kind: "failed" }>): void {
    if (what === "start" && backend === "wasm") {
      // Without WebAssembly's SIMD, or without its binaries, JavaScript still computes.
      instead = `, in place of wasm: ${message}`;
      backend = "cpu";
      start();
      return;
    }
    const gone = code === "device-lost";
    if (!gone && (what === "identity" || what === "rate")) {
      tell(phase, message); // training goes on
      return;
    }
    // A worker whose GPU is gone computes nothing more: what is asked next has another.
    if (what === "start" || gone) {
      client?.close();
      client = undefined;
    }
    const elsewhere = backend !== "wasm" && (what === "start" || gone || code === "out-of-memory");
    tell("failed", gone ? `${lostGpu} ${message}` : message, elsewhere ? "wasm" : "again");
  }

  return {
    get phase() {
      return phase;
    },
    get wanted() {
      return wanted;
    },
    get progress() {
      return progress;
    },
    get movable() {
      return built && (phase === "running" || phase === "paused");
    },
    get moved() {
      return moved;
    },
    open(next, run) {
      state = next;
      wanted = run;
      if (client) begin(next);
      else start();
    },
    run() {
      wanted = true;
      if (phase === "done" || phase === "failed" || client === undefined) return this.restart(true);
      order({ kind: "run" });
      if (phase === "ready" || phase === "paused") tell("running", "Training.");
    },
    pause() {
      wanted = false;
      order({ kind: "pause" });
      if (phase === "running") tell("paused", "Paused.");
    },
    step() {
      if (phase === "done" || phase === "failed") return this.restart(false);
      wanted = false;
      order({ kind: "step" });
      tell("paused", "Paused.");
    },
    remember(next) {
      state = next;
    },
    look: () => ask({ kind: "look", views: views() }),
    rate(contender, rate, value) {
      moved = true;
      order({ kind: "rate", contender, rate, value });
    },
    identity: (contender, t) => ask({ kind: "identity", contender, t }),
    restart(run, next = backend) {
      wanted = run;
      if (client && next === backend && phase !== "failed" && state) return begin(state);
      if (next !== backend) instead = "";
      backend = next;
      start();
    },
    close() {
      client?.close();
      client = undefined;
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
