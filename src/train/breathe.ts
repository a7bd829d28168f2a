/** Lets the host's events through, such as the key press that aborts the run: a backend on the CPU never waits. */
export function breathe(): Promise<void> {
  // A timer of Node's takes a millisecond at least, which small networks would feel.
  return new Promise((resolve) =>
    typeof setImmediate === "function" ? setImmediate(resolve) : setTimeout(resolve, 0),
  );
}
