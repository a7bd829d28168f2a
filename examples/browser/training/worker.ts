/** All computing happens here, so that the page stays responsive whatever the backend. */
import { SidError } from "sid-lsg";
import { takeRun } from "./lock";
import type { Order, Report } from "./protocol";
import { makeTrainer } from "./trainer";

const report = (message: Report, buffers: ArrayBuffer[] = []) => postMessage(message, { transfer: buffers });
const carryOut = makeTrainer({ report, takeRun });

addEventListener("message", ({ data: order }: MessageEvent<Order>) => {
  carryOut(order).catch((error: unknown) => {
    const code = error instanceof SidError ? error.code : undefined;
    const message = error instanceof Error ? error.message : String(error);
    report({ kind: "failed", order: order.kind, code, message });
  });
});
