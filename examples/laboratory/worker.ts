/** All computing happens here, so that the page stays responsive whatever the backend. */
import { messages } from "../common/messages";
import { makeEngine } from "./engine";
import type { Order } from "./protocol";

const engine = makeEngine({
  report: (message, buffers) => postMessage(message, { transfer: buffers as ArrayBuffer[] }),
  breathe: messages,
});

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  engine.order(data);
});
