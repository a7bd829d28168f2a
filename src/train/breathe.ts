/** Lets the host's events through, such as the key press that aborts the run: a backend on the CPU never waits. */
export function breathe(): Promise<void> {
  // A timer takes a millisecond at least, which small networks would feel, and a second in a page that nobody looks at.
  if (typeof setImmediate === "function") return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
