/** The page's end of the worker: gives it orders, hears its reports, and notices when it is gone or hangs. */
import type { Order, Report } from "../protocol";

/** Longer than this no answer takes; then the worker hangs, of which browsers say nothing. */
const patience = 20_000;

export interface ClientOptions {
  readonly onReport: (report: Report) => void;
  /** The worker is gone: it did not start, broke off or hangs. Nothing comes any more. */
  readonly onLost: (reason: string) => void;
  /** @defaultValue 20 s */
  readonly patience?: number;
}

/** A worker to talk to. */
export interface Client {
  order(order: Order): void;
  /** Ends the worker. */
  close(): void;
}

/** Starts a worker. */
export function openClient({ onReport, onLost, patience: longest = patience }: ClientOptions): Client {
  const worker = new Worker(new URL("../worker.ts", import.meta.url), { type: "module" });
  let watch: ReturnType<typeof setTimeout> | undefined;
  /** Whether reports come without being asked for. */
  let running = false;

  const close = () => {
    clearTimeout(watch);
    worker.terminate();
  };
  const lose = (reason: string) => {
    close();
    onLost(reason);
  };
  const expect = () => {
    clearTimeout(watch);
    // After a sleep of the machine timers end before messages come: they get one more turn.
    watch = setTimeout(() => {
      watch = setTimeout(() => lose(`has not answered for ${Math.round(longest / 1000)} seconds`), 2000);
    }, longest);
  };

  worker.addEventListener("message", ({ data }: MessageEvent<Report>) => {
    clearTimeout(watch);
    if (data.kind === "done" || data.kind === "failed") running = false;
    if (running || data.kind === "pretraining") expect();
    onReport(data);
  });
  worker.addEventListener("error", ({ message }) =>
    lose(message ? `stopped: ${message}` : "did not start: its script cannot be loaded"),
  );
  worker.addEventListener("messageerror", () => lose("said something that cannot be read"));

  return {
    order(order) {
      worker.postMessage(order);
      if (order.kind === "run") running = true;
      else if (order.kind !== "look" && order.kind !== "rate" && order.kind !== "identity") running = false;
      // Whoever is paused already has nothing to say about it, and nothing is said about a step size.
      if (order.kind === "pause") clearTimeout(watch);
      else if (order.kind !== "rate") expect();
    },
    close,
  };
}
