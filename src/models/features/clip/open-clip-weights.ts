import type { HostTensor, WeightInfo, WeightSource } from "../../../core/host-tensor";
import { checkWeights } from "../../weights/check-weights";
import type { ParameterSpec } from "../../weights/types";
import { logitScaleName } from "./network";

/** Where a parameter of transformers' CLIPModel lies in a file of open_clip. */
interface Place {
  readonly name: string;
  /** The shape of the tensor in the file. */
  readonly shape: readonly number[];
  /** Which third of the tensor's rows it is; all of them without. */
  readonly third?: number | undefined;
  /** Whether the file holds it as `[in, out]`. */
  readonly transposed?: boolean | undefined;
}

/** Names that are not what follows `visual.`, `transformer.resblocks.N.` or nothing in a file of open_clip. */
const renamed: Readonly<Record<string, string>> = {
  "embeddings.token_embedding.weight": "token_embedding.weight",
  "embeddings.position_embedding.weight": "positional_embedding",
  "embeddings.class_embedding": "class_embedding",
  "embeddings.patch_embedding.weight": "conv1.weight",
};

const modules: Readonly<Record<string, string>> = {
  final_layer_norm: "ln_final",
  pre_layrnorm: "ln_pre",
  post_layernorm: "ln_post",
  layer_norm1: "ln_1",
  layer_norm2: "ln_2",
  "self_attn.out_proj": "attn.out_proj",
  "mlp.fc1": "mlp.c_fc",
  "mlp.fc2": "mlp.c_proj",
};

const projections: Readonly<Record<string, string>> = {
  "text_projection.weight": "text_projection",
  "visual_projection.weight": "visual.proj",
};

/** Buffers that OpenAI's and older files of open_clip hold beside the weights. */
const buffers = ["attn_mask", "input_resolution", "context_length", "vocab_size"];

/**
 * The weights of an open_clip file under the names and in the layouts of transformers' CLIPModel: the three parts of each
 * attention's `in_proj` apart, the projections transposed. A file whose text tower lies under `text.` (open_clip's
 * CustomTextCLIP) is read as well.
 *
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor as the file does.
 */
export function fromOpenClip(where: string, specs: readonly ParameterSpec[], source: WeightSource): WeightSource {
  const custom = source.entries.has("text.token_embedding.weight");
  const places = new Map(specs.map((spec) => [spec.name, placeOf(spec, custom)]));
  const given = new Map<string, WeightInfo>(
    [...source.entries]
      .filter(([name]) => !buffers.includes(custom ? name.replace(/^text\./, "") : name))
      .map(([name, info]) => [name, name === logitScaleName ? { ...info, shape: scalar(info.shape) } : info]),
  );
  checkWeights(
    where,
    [...openClipShapes(specs, custom)].map(([name, shape]) => ({ name, shape })),
    given,
  );
  const shapes = new Map(specs.map(({ name, shape }) => [name, shape]));
  const order = [...source.entries.keys()];
  const byFile = [...places].sort(([, a], [, b]) => order.indexOf(a.name) - order.indexOf(b.name));
  // The thirds of one tensor are asked for one after the other: it is read once.
  let last: { readonly name: string; readonly tensor: HostTensor } | undefined;
  return {
    entries: new Map(
      byFile.map(([name, place]) => [
        name,
        { dtype: (given.get(place.name) as WeightInfo).dtype, shape: shapes.get(name) ?? [] },
      ]),
    ),
    async read(name) {
      const place = places.get(name);
      // A name that is none is the source's to refuse.
      if (place === undefined) return source.read(name);
      const tensor = last?.name === place.name ? last.tensor : await source.read(place.name);
      last = place.third === undefined || place.third === 2 ? undefined : { name: place.name, tensor };
      return { ...tensor, shape: shapes.get(name) ?? [], data: partOf(tensor, place) };
    },
    close: () => source.close(),
  };
}

/** Names and shapes of a file of open_clip for parameters of transformers' CLIPModel. */
export function openClipShapes(
  specs: readonly ParameterSpec[],
  custom = false,
): ReadonlyMap<string, readonly number[]> {
  return new Map(specs.map((spec) => placeOf(spec, custom)).map(({ name, shape }) => [name, shape]));
}

/** `[1]` as `[]`. */
function scalar(shape: readonly number[]): readonly number[] {
  return shape.length === 1 && shape[0] === 1 ? [] : shape;
}

function placeOf({ name, shape }: ParameterSpec, custom: boolean): Place {
  const text = custom ? "text." : "";
  if (name === logitScaleName) return { name, shape };
  const projection = projections[name];
  if (projection !== undefined)
    return {
      name: projection === "text_projection" ? text + projection : projection,
      shape: [...shape].reverse(),
      transposed: true,
    };
  const [, tower, rest = ""] = /^(text|vision)_model\.(.*)$/.exec(name) ?? [];
  const prefix = tower === "vision" ? "visual." : text;
  if (renamed[rest] !== undefined) return { name: prefix + renamed[rest], shape };
  const [, layer, inside = rest] = /^encoder\.layers\.(\d+)\.(.*)$/.exec(rest) ?? [];
  const at = layer === undefined ? prefix : `${prefix}transformer.resblocks.${layer}.`;
  const [, module = "", kind = ""] = /^(.*)\.(weight|bias)$/.exec(inside) ?? [];
  const third = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].indexOf(module);
  if (third >= 0)
    return { name: `${at}attn.in_proj_${kind}`, shape: [3 * (shape[0] as number), ...shape.slice(1)], third };
  return { name: `${at}${modules[module] ?? module}.${kind}`, shape };
}

function partOf({ data, shape }: HostTensor, { third, transposed }: Place): HostTensor["data"] {
  if (!(data instanceof Float32Array)) return data;
  if (third !== undefined) return data.slice((third * data.length) / 3, ((third + 1) * data.length) / 3);
  if (!transposed) return data;
  const [rows = 1, columns = 1] = shape;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) out[column * rows + row] = data[row * columns + column] as number;
  return out;
}
