/** Parts of a model folder that this library reads and writes. */
export type ComponentName = "unet" | "text_encoder" | "vae" | "scheduler" | "tokenizer";

/** What a part consists of, inside its own folder. */
export interface ComponentFiles {
  /** A JSON object. */
  readonly config: string;
  /** The weights when they are one file; absent for parts without weights. */
  readonly weights?: string | undefined;
  /** The same as a pickle, which is never read. */
  readonly pickle?: string | undefined;
  /** What the weights of some writers are called here, unless some have a name like `unless` already. */
  readonly names?: { readonly unless: RegExp; readonly rename: (name: string) => string } | undefined;
  /** Fields of the configuration that transformers 5 wants written as 1.0, not as 1. */
  readonly floats?: readonly string[] | undefined;
  /** Further files, read as text where they are there. */
  readonly texts?: readonly string[] | undefined;
  /** Sets of texts of which one must be there whole. */
  readonly needs?: readonly (readonly string[])[] | undefined;
}

/** What the layers of an autoencoder's attention were called before diffusers 0.18, as in Stable Diffusion 1.5's files. */
const attentionNames: Readonly<Record<string, string>> = {
  query: "to_q",
  key: "to_k",
  value: "to_v",
  proj_attn: "to_out.0",
};

/** Where diffusers and transformers keep each part. */
export const componentFiles: Readonly<Record<ComponentName, ComponentFiles>> = {
  unet: diffusers(),
  vae: {
    ...diffusers(),
    names: {
      unless: /\.attentions\.0\.to_q\./,
      rename: (name) => name.replace(/(?<=\.attentions\.0\.)\w+(?=\.)/, (layer) => attentionNames[layer] ?? layer),
    },
  },
  text_encoder: {
    config: "config.json",
    weights: "model.safetensors",
    pickle: "pytorch_model.bin",
    floats: ["attention_dropout", "initializer_factor", "initializer_range", "layer_norm_eps"],
    // transformers 5 leaves the prefix out.
    names: {
      unless: /^text_model\./,
      rename: (name) => name.replace(/^(embeddings|encoder|final_layer_norm)\./, "text_model.$&"),
    },
  },
  scheduler: { config: "scheduler_config.json" },
  tokenizer: {
    config: "tokenizer_config.json",
    texts: ["vocab.json", "merges.txt", "tokenizer.json", "special_tokens_map.json", "added_tokens.json"],
    needs: [["vocab.json", "merges.txt"], ["tokenizer.json"]],
  },
};

/** The names of the parts. */
export const componentNames = Object.keys(componentFiles) as ComponentName[];

function diffusers(): ComponentFiles {
  return {
    config: "config.json",
    weights: "diffusion_pytorch_model.safetensors",
    pickle: "diffusion_pytorch_model.bin",
  };
}

/** A file's name in a variant: `model.safetensors` → `model.fp16.safetensors`. */
export function inVariant(name: string, variant: string | undefined): string {
  return variant === undefined ? name : name.replace(/\.(\w+)$/, `.${variant}.$1`);
}

/** The name of shard `i` of `count`, counted from 0: `model-00001-of-00002.safetensors`. */
export function shardName(weights: string, i: number, count: number): string {
  const [number, of] = [i + 1, count].map((n) => String(n).padStart(5, "0"));
  return weights.replace(/\.safetensors$/, `-${number}-of-${of}.safetensors`);
}

/** The index of a file in shards. */
export function indexName(weights: string): string {
  return `${weights}.index.json`;
}
