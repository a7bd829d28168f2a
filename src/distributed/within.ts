/** The longest that a timer of JavaScript runs, in milliseconds. */
const longest = 2 ** 31 - 1;

/**
 * What a promise resolves to, or, where that takes longer than `seconds`, a rejection with `late()`. The promise itself
 * is left as it is.
 */
export function within<T>(promise: Promise<T>, seconds: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const end = () => {
      if (!isOver) reject(late());
    };
    // A thread that was busy for so long hears of its timers before it hears of what arrived meanwhile.
    const timer = setTimeout(() => setImmediate(() => setImmediate(end)), Math.min(seconds * 1000, longest));
    const over = () => {
      isOver = true;
      clearTimeout(timer);
    };
    promise.then(
      (value) => {
        over();
        resolve(value);
      },
      (reason) => {
        over();
        reject(reason);
      },
    );
  });
}

/** Asks `isDone` until it is; throws `late()` where that takes longer than `seconds`. The program waits. */
export function waitFor(isDone: () => boolean, seconds: number, late: () => Error): void {
  const end = performance.now() + seconds * 1000;
  while (!isDone()) if (performance.now() > end) throw late();
}
