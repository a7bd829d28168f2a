import { sharedState } from "../../core/shared-state";
import { isSoftware } from "./adapter";
import type { Capabilities } from "./program";
import type { WebgpuBackend } from "./types";

/** How 64 invocations share a piece of a product: `lanes[0] × lanes[1]` of them, each with `per[0] × per[1]` numbers. */
export interface Tile {
  /** Rows and columns of the piece. */
  readonly rows: number;
  readonly columns: number;
  readonly lanes: readonly [rows: number, columns: number];
  readonly per: readonly [rows: number, columns: number];
  /** Time for a product of numbers, of that of the largest. */
  readonly price: number;
  /**
   * Invocations of a subgroup, 8 to 16, share their rows: each reads one of eight summands, and gets the others by broadcast.
   * That pays where a subgroup is one register of a processor; GPUs broadcast from workgroup memory as fast.
   */
  readonly broadcast: boolean;
}

/** Invocations of a workgroup. */
export const lanes = 64;
/** Products that are summed between two barriers. */
export const depth = 16;

const plain = { lanes: [8, 8], broadcast: false } as const;
const shared = { lanes: [4, 16], broadcast: true } as const;

/** For products large, small, of few rows and of few columns. */
export const tiles = {
  large: { ...plain, rows: 64, columns: 64, per: [8, 8], price: 1 },
  small: { ...plain, rows: 32, columns: 32, per: [4, 4], price: 1.5 },
  wide: { ...plain, rows: 16, columns: 64, lanes: [4, 16], per: [4, 4], price: 1.6 },
  tall: { ...plain, rows: 64, columns: 16, lanes: [16, 4], per: [4, 4], price: 1.6 },
  sharedLarge: { ...shared, rows: 64, columns: 64, per: [16, 4], price: 1 },
  sharedHalf: { ...shared, rows: 64, columns: 32, per: [16, 2], price: 1.3 },
  sharedSmall: { ...shared, rows: 32, columns: 32, per: [8, 2], price: 1.7 },
  sharedWide: { ...shared, rows: 16, columns: 64, per: [4, 4], price: 2 },
  sharedTall: { ...shared, rows: 64, columns: 16, per: [16, 1], price: 2 },
} as const satisfies Record<string, Tile>;

/** Which tile, and in how many parts the sum over `k` is done, each by a workgroup of its own. */
export interface Plan {
  readonly tile: keyof typeof tiles;
  readonly splits: number;
  /** Summands of a part, a multiple of `depth`. */
  readonly part: number;
}

/** Least summands of a part. */
const leastPart = 128;
/** Most numbers of all parts together: 64 MiB. */
const mostScratch = 2 ** 24;
/** What it takes to add up a part's number, in products. */
const additionPrice = 16;

/**
 * The plan for `count` products `[m, k]·[k, n]` that takes the least time on a machine: larger tiles
 * read less, but leave a GPU idle where there are few of them, and compute for nothing beyond the edges.
 */
export function plan(count: number, m: number, k: number, n: number, { slots, broadcast }: Machine): Plan {
  let best: Plan = { tile: "large", splits: 1, part: depth };
  let least = Infinity;
  for (const [name, { rows, columns, price }] of Object.entries(tiles) as [keyof typeof tiles, Tile][]) {
    if (tiles[name].broadcast !== broadcast) continue;
    const groups = count * Math.ceil(m / rows) * Math.ceil(n / columns);
    const size = count * m * n;
    const most = Math.min(Math.floor(k / leastPart), Math.floor(mostScratch / size), Math.ceil(slots / groups));
    for (const wanted of new Set([1, Math.max(1, most)])) {
      const part = depth * Math.ceil(k / wanted / depth);
      const splits = Math.max(1, Math.ceil(k / part));
      const waves = Math.max(1, (groups * splits) / slots);
      const addition = splits > 1 ? (additionPrice * size * splits) / slots : 0;
      const time = waves * rows * columns * price * part + addition;
      if (time >= least) continue;
      least = time;
      best = { tile: name, splits, part };
    }
  }
  return best;
}

/** What a plan is made for. */
interface Machine {
  /** Workgroups that run at once. */
  readonly slots: number;
  /** Tiles by broadcast, or the others. */
  readonly broadcast: boolean;
}

/** Workgroups of 64 invocations that keep a GPU busy; a processor that plays one is so by a few. */
export function machineOf(backend: WebgpuBackend, { subgroups }: Capabilities): Machine {
  const known = machines.get(backend)?.[`${subgroups}`];
  if (known) return known;
  const machine = lookAt(backend, subgroups);
  machines.set(backend, { ...machines.get(backend), [`${subgroups}`]: machine });
  return machine;
}

/** By backend and whether subgroups are used: Dawn makes the adapter's words anew each time that they are read. */
const machines = /* @__PURE__ */ sharedState(
  "webgpu machines",
  () => new WeakMap<object, Readonly<Record<string, Machine>>>(),
);

function lookAt({ device }: WebgpuBackend, subgroups: boolean): Machine {
  const { subgroupMinSize = 0, subgroupMaxSize = 0 } = device.adapterInfo ?? {};
  const software = isSoftware(device.adapterInfo);
  return {
    slots: software ? 4 : 256,
    broadcast: software && subgroups && subgroupMinSize >= 8 && subgroupMaxSize <= 16,
  };
}
