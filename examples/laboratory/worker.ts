/** All computing happens here, so that the page stays responsive whatever the backend. */
import { makeEngine } from "./engine";
import type { Order } from "./protocol";

const engine = makeEngine({
  report: (message, buffers) => postMessage(message, { transfer: buffers as ArrayBuffer[] }),
  breathe: messages,
});

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  engine.order(data);
});

/** Lets waiting messages in. A timer would do, but browsers have it wait for milliseconds. */
function messages(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
