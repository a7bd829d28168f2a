/** Raise the number when what is held changes its form: copies of other versions then have their own. */
const key = Symbol.for("sid-lsg/state/1");

/**
 * What all copies of this package in a process hold in common. A program may well have two of them, the ES modules and,
 * through another package's `require`, the CommonJS ones; TensorFlow.js, its backends and the open tapes are there once,
 * so what this package knows about them must be as well.
 *
 * @param name - of the value, unique in this package.
 * @param make - the value, for the copy that asks first.
 */
export function sharedState<T extends object>(name: string, make: () => T): T {
  const holder = globalThis as { [key]?: Record<string, object> };
  holder[key] ??= {};
  holder[key][name] ??= make();
  return holder[key][name] as T;
}
