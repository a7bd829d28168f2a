import { checkFunction, checkObject, checkPositive, describe } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { HostTensor, WeightMap } from "../../core/host-tensor";
import type { UnetConfig } from "../unet/config";
import { checkFiniteWeight, checkWeightMap } from "../weights/check-weights";
import { type AdaptableLayer, type LoraLayer, part } from "./lora";
import { metadataConfig, type PeftConfig, readPeftConfig, remedy } from "./lora-config";
import type { LoraFile } from "./lora-file";
import { type LoraEntry, layerFinder, readLoraName } from "./lora-names";

/** An adapter out of a file, ready for `lora`. */
export interface LoraWeights extends LoraLayer {
  /** Full names of the layers that change. */
  readonly targets: readonly string[];
  /** Rank and alpha of the layers that have others than most. */
  readonly layers: Readonly<Record<string, LoraLayer>>;
  /** A and B of each layer, in the shapes that fit the network. */
  readonly weights: WeightMap;
}

/** Options of {@link parseLora}. */
export interface ParseLoraOptions {
  /**
   * PEFT's `adapter_config.json`, which lies beside `adapter_model.safetensors` and alone knows the alphas.
   * @defaultValue what the file's metadata has of it, if anything
   */
  readonly peftConfig?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Told once how many tensors are a text encoder's, since they are not used; once of keys that are not known; and
   * once where PEFT's configuration is missing.
   * @defaultValue `console.warn`
   */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** What was found of the change to one layer, and under which names. */
interface Found {
  readonly layer: AdaptableLayer;
  readonly A?: Entry | undefined;
  readonly B?: Entry | undefined;
  readonly alpha?: Entry | undefined;
}

interface Entry {
  readonly name: string;
  readonly tensor: HostTensor;
}

const where = "parseLora";

/**
 * Reads an adapter of a U-Net out of a file in any of these writings, linear layers and convolutions, each with a rank
 * and an alpha of its own:
 *
 * - PEFT's (`base_model.model.….lora_A.weight`), with `adapter_config.json` as {@link ParseLoraOptions.peftConfig};
 * - diffusers' (`unet.….lora_A.weight`, with or without `unet.`, and PEFT's configuration in the metadata) and its
 *   older ones (`….lora.down.weight`, `….processor.to_q_lora.down.weight`);
 * - kohya-ss's (`lora_unet_….lora_down.weight`, `….alpha`), in diffusers' names of the layers or, as in
 *   `lora_unet_input_blocks_…`, in those of the first Stable Diffusion's code.
 *
 * The alpha of a layer is that of its tensor, else the configuration's, else the layer's rank. A text encoder's part
 * is not used: the number of its tensors is a warning.
 *
 * Source: diffusers 0.42 loaders/lora_conversion_utils.py and loaders/peft.py; PEFT 0.21 LoraConfig; kohya-ss
 * sd-scripts networks/lora.py.
 *
 * @param file - what `decodeSafetensors` or `readSafetensors` returns.
 * @param unet - the architecture of the network that the adapter is for.
 * @param options - PEFT's configuration, and where warnings go.
 * @returns the options that make `lora` the same adapter.
 * @throws SidError `unsupported` naming a kind that is no pair of factors (LoHa, LoKr, DoRA, biases, …);
 *   `surplus-weight` for a tensor that is no adapter's or whose layer the network lacks; `missing-weight` for half a
 *   pair, an alpha alone or a file without any; `shape-mismatch` for factors that do not fit the layer;
 *   `not-finite` for NaN and infinities; `out-of-range` for an alpha of 0, which kohya-ss's code takes for the rank and
 *   PEFT's for no change at all; `corrupt-file` for metadata that is no JSON or contradicts the tensors.
 *
 * @example
 * ```ts
 * import { parseUnetConfig } from "sid-lsg/models";
 * import { parseLora } from "sid-lsg/models/sd";
 *
 * const zeros = (...shape: number[]) =>
 *   ({ dtype: "F32", shape, data: new Float32Array(shape.reduce((a, b) => a * b)) }) as const;
 * const tensors = new Map([
 *   ["lora_unet_mid_block_resnets_0_conv1.lora_down.weight", zeros(4, 1280, 3, 3)],
 *   ["lora_unet_mid_block_resnets_0_conv1.lora_up.weight", zeros(1280, 4, 1, 1)],
 *   ["lora_unet_mid_block_resnets_0_conv1.alpha", { dtype: "F32", shape: [], data: new Float32Array([2]) } as const],
 * ]);
 * const { rank, alpha, targets } = parseLora({ tensors, metadata: {} }, parseUnetConfig({}));
 * console.log(rank, alpha, targets); // 4 2 [ "mid_block.resnets.0.conv1" ]
 * ```
 */
export function parseLora(file: LoraFile, unet: UnetConfig, options: ParseLoraOptions = {}): LoraWeights {
  const { tensors, metadata } = checkObject(where, "file", file);
  checkWeightMap(where, tensors);
  const { peftConfig, onWarning = console.warn } = checkObject(where, "options", options, {
    peftConfig: 1,
    onWarning: 1,
  });
  checkFunction(where, "onWarning", onWarning);
  const config = peftConfig ?? metadataConfig(where, metadata);
  const peft = config && readPeftConfig(where, config, onWarning);
  const found = collect(tensors, metadata, unet, onWarning);
  const names = [...tensors.keys()];
  if (!peft && names.some((name) => name.startsWith("base_model.")) && !names.some((name) => name.endsWith(".alpha")))
    onWarning(
      `${where}: PEFT keeps the alphas in adapter_config.json, which was not given as peftConfig: each is taken for its rank, so that the scale is 1.`,
    );
  const layers = new Map<string, LoraLayer>();
  const weights = new Map<string, HostTensor>();
  for (const { layer: target, A, B, alpha } of found) {
    const { layer, shape } = target;
    if (!A || !B) throw incomplete(target, A, B, alpha);
    const rank = rankOf(A, B);
    const [outputs = 0, inputs = 0, ...window] = shape;
    weights.set(part(layer, "A"), fitted(A, layer, [rank, inputs, ...window]));
    weights.set(part(layer, "B"), fitted(B, layer, [outputs, rank, ...window.map(() => 1)]));
    layers.set(layer, { rank, alpha: alphaOf(layer, rank, alpha, peft) });
  }
  const usual = {
    rank: commonest([...layers.values()].map(({ rank }) => rank)),
    alpha: commonest([...layers.values()].map(({ alpha }) => alpha)),
  };
  const others = [...layers].filter(([, { rank, alpha }]) => rank !== usual.rank || alpha !== usual.alpha);
  return { ...usual, targets: [...layers.keys()], layers: Object.fromEntries(others), weights };
}

/** All changes to the network's layers, in the order of the file. */
function collect(
  tensors: WeightMap,
  metadata: LoraFile["metadata"],
  unet: UnetConfig,
  onWarning: (warning: string) => void,
): Iterable<Found> {
  const find = layerFinder(unet);
  const entries = [...tensors.keys()].map((name) => ({ name, ...readLoraName(name) }));
  refuseOthers(entries);
  const changes = new Map<string, Found>();
  const lacking: string[] = [];
  for (const { name, ...entry } of entries) {
    if (!("stem" in entry)) continue;
    const layer = find(entry.stem);
    if (!layer) {
      lacking.push(name);
      continue;
    }
    const before = changes.get(layer.layer) ?? { layer };
    const twice = before[entry.kind];
    if (twice) throw new SidError("corrupt-file", `${where}: "${name}" and "${twice.name}" are the same of one layer.`);
    changes.set(layer.layer, { ...before, [entry.kind]: { name, tensor: tensors.get(name) as HostTensor } });
  }
  const texts = entries.filter(({ kind }) => kind === "text").length;
  if (lacking.length > 0)
    throw new SidError(
      "surplus-weight",
      `${where}: "${lacking[0]}" belongs to no linear or convolutional layer of this U-Net (${lacking.length} of ${tensors.size} tensors do not): the adapter was made for another model${madeFor(metadata)}.`,
    );
  if (changes.size === 0)
    throw new SidError(
      "missing-weight",
      texts > 0
        ? `${where}: all ${texts} tensors are a text encoder's, and adapters of those are not supported; the file changes no U-Net.`
        : `${where}: the file holds no tensors; wanted pairs such as "unet.….lora_A.weight" and "unet.….lora_B.weight".`,
    );
  if (texts > 0)
    onWarning(
      `${where}: ${texts} of ${tensors.size} tensors change the text encoder and are not used: pictures will differ from those of programs that use them. Merge that part into the text encoder elsewhere if it matters.`,
    );
  return changes.values();
}

/** Throws for what is no pair of factors; a kind that is known by name goes before tensors that are not. */
function refuseOthers(entries: readonly ({ readonly name: string } & LoraEntry)[]): void {
  const others = entries.filter((entry) => entry.kind === "other");
  const known = others.find(({ adapter }) => adapter);
  if (known) throw new SidError("unsupported", `${where}: "${known.name}" is ${known.what}; ${remedy}.`);
  const [first] = others;
  if (!first) return;
  const all = others.length === entries.length ? ", nor is any other: it may be a whole model's file" : "";
  throw new SidError("surplus-weight", `${where}: "${first.name}" is ${first.what}${all}.`);
}

/** What the file says of its model. */
function madeFor(metadata: LoraFile["metadata"] | undefined): string {
  const names = ["modelspec.architecture", "ss_base_model_version", "ss_sd_model_name"];
  const said = names.map((name) => metadata?.[name]).find((text) => text !== undefined && text !== "None");
  return said === undefined ? "" : `, says its metadata: ${describe(said)}`;
}

function incomplete({ layer }: AdaptableLayer, A?: Entry, B?: Entry, alpha?: Entry): SidError {
  const [got, lacks] = A
    ? [A, "its other half, B (up)"]
    : B
      ? [B, "its other half, A (down)"]
      : [alpha, "both factors"];
  return new SidError("missing-weight", `${where}: "${got?.name}" lacks ${lacks}, of the layer "${layer}".`);
}

function rankOf(A: Entry, B: Entry): number {
  const [down, up] = [A.tensor.shape[0], B.tensor.shape[1]];
  if (down === undefined || down < 1 || down !== up)
    throw new SidError(
      "shape-mismatch",
      `${where}: "${A.name}" [${A.tensor.shape.join(", ")}] and "${B.name}" [${B.tensor.shape.join(", ")}] have no rank in common: the first size of A must be the second of B.`,
    );
  return down;
}

/** A factor in the shape that its layer wants; 1×1 convolutions and linear layers pass for one another. */
function fitted({ name, tensor }: Entry, layer: string, shape: readonly number[]): HostTensor {
  const bare = (shape: readonly number[]) => shape.join().replace(/^(\d+,\d+),1,1$/, "$1");
  if (bare(tensor.shape) !== bare(shape))
    throw new SidError(
      "shape-mismatch",
      `${where}: "${name}" must have shape [${shape.join(", ")}] for the layer "${layer}" of this U-Net, got [${tensor.shape.join(", ")}]: the adapter was made for another model.`,
    );
  checkFiniteWeight(where, name, tensor);
  return { ...tensor, shape };
}

function alphaOf(layer: string, rank: number, entry: Entry | undefined, peft: PeftConfig | undefined): number {
  const stated = peft?.rank(layer);
  if (stated !== undefined && stated !== rank)
    throw new SidError(
      "corrupt-file",
      `${where}: the configuration gives "${layer}" rank ${stated}, its tensors have ${rank}: it is another adapter's.`,
    );
  const configured = peft?.alpha(layer, rank);
  if (!entry) return configured ?? rank;
  const { name, tensor } = entry;
  if (tensor.data?.length !== 1)
    throw new SidError(
      "shape-mismatch",
      `${where}: "${name}" must hold one number, got ${describe(tensor.data?.length)}.`,
    );
  const alpha = checkPositive(where, `"${name}"`, Number(tensor.data[0]));
  if (configured !== undefined && Math.abs(configured - alpha) > 1e-3 * alpha)
    throw new SidError(
      "corrupt-file",
      `${where}: "${name}" is ${alpha}, the configuration gives that layer ${configured}.`,
    );
  return alpha;
}

/** The number that is there most often, of those the first. */
function commonest(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const x of numbers) counts.set(x, (counts.get(x) ?? 0) + 1);
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best))[0];
}
