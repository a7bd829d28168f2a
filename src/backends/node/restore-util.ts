import { importNative } from "../start";

/** What tfjs-node 4.22 calls of `node:util` for every list of tensors: concat, addN, stack, split, topk. */
const called: Readonly<Record<string, (value: unknown) => boolean>> = {
  isArray: Array.isArray,
  isNullOrUndefined: (value) => value === null || value === undefined,
};

/**
 * Puts in place what the package calls of Node's `util`: Node 23 took `isNullOrUndefined` away, and Node 22 and newer
 * print a deprecation warning at the first call of the rest. The functions are those that Node had.
 */
export async function restoreUtil(): Promise<void> {
  const { default: util } = await importNative<{ readonly default: object }>("node:util");
  for (const [name, value] of Object.entries(called))
    Object.defineProperty(util, name, { value, configurable: true, enumerable: true, writable: true });
}
