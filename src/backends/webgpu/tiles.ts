import { type NamedAttrMap, type TensorInfo, util } from "@tensorflow/tfjs-core";

/* How the work of a group norm is shared among workgroups of 256 lanes. */

const lanes = 256;
/** Channels that make whole lines of a GPU's caches. */
const tileWidth = 32;
/** Workgroups that fill a GPU. */
const enough = 512;
/** Numbers for which one workgroup is worth a program, or a part of one. */
const mostAlone = 16384;
const leastOfOne = 4096;
const leastOfPart = 2048;
const mostChunks = 128;

/** Params of the programs. */
export interface Tiles extends Readonly<Record<string, number>> {
  readonly batch: number;
  readonly positions: number;
  readonly channels: number;
  /** Channels of a group. */
  readonly size: number;
  /** Groups of a tile; tiles of all channels. */
  readonly tileGroups: number;
  readonly tiles: number;
  /** Lanes side by side, each with its channel, and below each other, each with its position. */
  readonly columns: number;
  readonly rows: number;
  readonly chunks: number;
  readonly chunkPositions: number;
}

/** The type of each field of {@link Tiles}, in WGSL. */
export const tileParams = {
  batch: "u32",
  positions: "u32",
  channels: "u32",
  size: "u32",
  tileGroups: "u32",
  tiles: "u32",
  columns: "u32",
  rows: "u32",
  chunks: "u32",
  chunkPositions: "u32",
} as const;

/** A group norm's sizes, in one chunk where that fills the GPU, or in as many as are worth it. */
export function grouped({ shape }: TensorInfo, attrs: NamedAttrMap, chunks: "one where it fills the GPU" | "many") {
  const [batch, channels, groups] = [shape[0] as number, shape[shape.length - 1] as number, attrs["groups"] as number];
  const positions = util.sizeFromShape(shape.slice(1, -1));
  const size = channels / groups;
  const tileGroups = Math.min(groups, Math.max(1, Math.floor(tileWidth / size)));
  const tiles = Math.ceil(groups / tileGroups);
  const columns = Math.min(lanes, tileGroups * size);
  const numbers = positions * tileGroups * size;
  const least = chunks === "many" ? leastOfPart : leastOfOne;
  const worth =
    chunks !== "many" && numbers <= mostAlone
      ? 1
      : Math.max(1, Math.min(Math.ceil(enough / (batch * tiles)), Math.floor(numbers / least), mostChunks, positions));
  const chunkPositions = Math.ceil(positions / worth);
  const found: Tiles = {
    ...{ batch, positions, channels, size, tileGroups, tiles, columns },
    ...{ rows: Math.floor(lanes / columns), chunks: Math.ceil(positions / chunkPositions), chunkPositions },
  };
  return { batch, channels, groups, single: tileGroups === 1, tiles: found };
}
