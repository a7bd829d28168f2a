/** One run, one tab: the browser's lock, which ends with the worker that holds it, however that ends. */

const lockName = "sid-lsg-quick-start";

/** Takes the run for this worker. Where another tab has it, says so and waits. */
export async function takeRun(busy: () => void): Promise<void> {
  // Where there are no locks there is no storage either: both are for secure pages.
  if (!navigator.locks) return;
  if (await take({ ifAvailable: true })) return;
  busy();
  await take({});
}

function take(options: LockOptions): Promise<boolean> {
  return new Promise((taken, refused) => {
    const hold = (lock: Lock | null) => {
      taken(lock !== null);
      return lock === null ? undefined : new Promise(() => {});
    };
    navigator.locks.request(lockName, options, hold).catch(refused);
  });
}
