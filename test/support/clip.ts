import { readFileSync } from "node:fs";
import type { HostTensor } from "../../src/core";
import { blobFolder, decodeSafetensors, encodeSafetensors } from "../../src/io";
import type { Pictures } from "../../src/models/features";

/** What test/golden/clip_model.py wrote of one model. */
export interface GoldenClip {
  readonly layout: "transformers" | "open_clip";
  readonly config: Record<string, unknown>;
  /** The image processor's file; none for OpenCLIP, whose configuration has it. */
  readonly preprocessor: Record<string, unknown> | undefined;
  /** Under the names of the library that made them. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly pictures: readonly Pictures[];
  /** What preprocessing makes of each picture. */
  readonly pixels: readonly Float32Array[];
  readonly ids: readonly (readonly number[])[];
  /** Embeddings of length 1, and `exp(logit_scale)` times their products. */
  readonly image: Float32Array;
  readonly text: Float32Array;
  readonly logits: Float32Array;
}

/** The golden cases by name. */
export const goldenClips = ["quick-gelu", "gelu", "open-gelu", "open-quick-gelu"] as const;

export function goldenClip(name: (typeof goldenClips)[number]): GoldenClip {
  const file = readFileSync(new URL(`../golden/clip-model-${name}.safetensors`, import.meta.url));
  const { tensors, metadata } = decodeSafetensors(file);
  const floats = (key: string) => tensors.get(key)?.data as Float32Array;
  const numbered = (key: string) =>
    Array.from({ length: [...tensors.keys()].filter((name) => name.startsWith(`${key}.`)).length }, (_, i) => {
      const { data, shape } = tensors.get(`${key}.${i}`) as HostTensor;
      return { data, shape };
    });
  const { shape, data } = tensors.get("ids") as HostTensor;
  const flat = Array.from(data, Number);
  const length = shape[1] as number;
  const { preprocessor } = metadata;
  return {
    layout: name.startsWith("open") ? "open_clip" : "transformers",
    config: JSON.parse(metadata["config"] as string),
    preprocessor: preprocessor === undefined ? undefined : JSON.parse(preprocessor),
    weights: new Map([...tensors].filter(([key]) => key.startsWith("weight.")).map(([key, w]) => [key.slice(7), w])),
    pictures: numbered("picture").map(({ data, shape: [height = 0, width = 0, channels = 0] }) => ({
      data: data as Uint8Array,
      shape: [1, height, width, channels],
    })),
    pixels: numbered("pixels").map(({ data }) => data as Float32Array),
    ids: Array.from({ length: flat.length / length }, (_, i) => flat.slice(i * length, (i + 1) * length)),
    image: floats("image"),
    text: floats("text"),
    logits: floats("logits"),
  };
}

/** A golden model as a folder in memory, with some files changed, added or (undefined) taken away. */
export function clipFolder(
  golden: GoldenClip,
  changes: Readonly<Record<string, object | string | Uint8Array | undefined>> = {},
) {
  const own =
    golden.layout === "transformers"
      ? {
          "config.json": golden.config,
          "preprocessor_config.json": golden.preprocessor,
          "model.safetensors": encodeSafetensors(golden.weights),
        }
      : { "open_clip_config.json": golden.config, "open_clip_model.safetensors": encodeSafetensors(golden.weights) };
  const files = Object.entries({ ...own, ...changes }).flatMap(([name, content]): [string, Blob][] => {
    if (content === undefined) return [];
    const bytes = content instanceof Uint8Array ? new Uint8Array(content) : undefined;
    return [[name, new Blob([bytes ?? (typeof content === "string" ? content : JSON.stringify(content))])]];
  });
  return blobFolder(new Map(files));
}
