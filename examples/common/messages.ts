/** Lets waiting events in: a worker's messages, a program's signals. A timer would do, but browsers have it wait for milliseconds. */
export function messages(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
