import {
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor,
  tensor4d,
  tidy,
  type Variable,
} from "@tensorflow/tfjs-core";
import {
  checkArray,
  checkFunction,
  checkInteger,
  checkObject,
  checkOneOf,
  checkText,
  describe,
  type KeysOf,
  showShape,
} from "../../../core/checks";
import { SidError } from "../../../core/errors";
import { checkBatch } from "../../../core/tensor-checks";
import { checkFields } from "../../config/check-fields";
import { checkClipTextConfig, checkTokens } from "../../text/clip-text-encoder";
import type { Tokenizer } from "../../text/tokenizer";
import { checkLive, checkSource } from "../../weights/check-weights";
import { createParameters } from "../../weights/parameters";
import type { InitialWeights, ParameterSpec } from "../../weights/types";
import type { FeatureBatch, FeatureNetwork } from "../feature-network";
import { checkPictures, type Pictures } from "../pictures";
import type { ClipConfig } from "./config";
import { declareClip, logitScaleName } from "./network";
import { type ClipPreprocessing, checkPreprocessing, standardised, usualPreprocessing } from "./preprocessing";

/** Options of {@link clipModel}. */
export interface ClipModelOptions {
  /**
   * Prefix of the variables' names, and what statistics of its features carry; no two live networks may share one. Best
   * it says which weights these are, such as `"clip-vit-g-14-laion2b"`.
   */
  readonly name: string;
  /** Weights in transformers' names and PyTorch's layouts, a stream to draw a start from, or `loadParameters`. */
  readonly weights: InitialWeights;
  /** Texts to token ids, such as `clipTokenizer`. */
  readonly tokenizer: Tokenizer;
  /**
   * What is done to pictures.
   * @defaultValue Pillow's bicubic resizing of the shorter edge, the middle, OpenAI's mean and deviation
   */
  readonly preprocessing?: Partial<ClipPreprocessing> | undefined;
  /** Pictures or texts that go through a tower at a time. @defaultValue `8` */
  readonly batch?: number | undefined;
}

/** A whole CLIP: pictures and texts to vectors that can be compared. */
export interface ClipModel extends FeatureNetwork {
  /** The architecture it was made from. */
  readonly config: ClipConfig;
  /** What is done to pictures. */
  readonly preprocessing: ClipPreprocessing;
  /** All weights, in a fixed order; names are `${name}/text_model.…`, `${name}/vision_model.…` and so on. */
  readonly variables: readonly Variable[];
  /**
   * Where pictures of any one size lie: `[count · dimension]`, each picture's vector of length 1. They run through the
   * tower a few at a time: memory does not grow with their number.
   *
   * @param pictures - RGB bytes.
   * @throws SidError as `features` does.
   */
  imageEmbeddings(pictures: Pictures): Promise<Float32Array>;
  /**
   * Where texts lie: `[texts · dimension]`, each text's vector of length 1. A text that is too long is the tokenizer's
   * matter: `clipTokenizer` cuts it and says so once.
   *
   * @param texts - at least one; none is prefixed.
   * @throws SidError `invalid-argument` for what is no list of texts and for one without its end, and what the
   *   tokenizer throws; `not-finite` where the network overflows.
   */
  textEmbeddings(texts: readonly string[]): Promise<Float32Array>;
  /**
   * What the trained model multiplies cosines by: 100 in OpenAI's weights. CLIP scores leave it out.
   */
  logitScale(): Promise<number>;
  /**
   * The text tower alone: ids `[B, tokens]` to `[B, dimension]`, not normalised. Synchronous, pure, differentiable in its
   * variables; the caller owns the result.
   *
   * @throws SidError as `ClipTextEncoder.encode` does; `invalid-argument` for a row without its end.
   */
  encodeTokens(tokenIds: readonly (readonly number[])[]): Tensor2D;
}

const optionKeys: KeysOf<ClipModelOptions> = { name: 1, weights: 1, tokenizer: 1, preprocessing: 1, batch: 1 };

/**
 * CLIP: a vision transformer and a causal text transformer that project into one space, after OpenAI's ViT-B/32 to
 * OpenCLIP's ViT-bigG-14. Its embeddings are what `clipScore` and `retrievalAccuracy` of `sid-lsg/metrics` take; as a
 * {@link FeatureNetwork} it gives those of pictures before they are normalised.
 *
 *     image = W_i·norm(vision(picture)[class]),   text = W_t·norm(transformer(ids)[end])
 *
 * Source: Radford et al., arXiv:2103.00020; transformers 5.24 models/clip/modeling_clip.py, CLIPModel; open_clip 3.3
 * model.py, CLIP.
 *
 * @param config - from {@link parseClipConfig} or {@link parseOpenClipConfig}.
 * @param options - name, weights, tokenizer, preprocessing.
 * @returns the model; the caller disposes of it.
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor;
 *   `invalid-argument` when a network of this name lives already. No variable is left behind.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { wordTokenizer } from "sid-lsg/models";
 * import { clipModel, parseClipConfig } from "sid-lsg/models/features";
 *
 * const tokenizer = wordTokenizer(["red", "blue"], { maxLength: 4 });
 * const layers = { hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2 };
 * const config = parseClipConfig({
 *   projection_dim: 6,
 *   vision_config: { ...layers, image_size: 16, patch_size: 8 },
 *   text_config: { ...layers, vocab_size: tokenizer.vocabularySize, max_position_embeddings: 4, eos_token_id: 2 },
 * });
 * const model = clipModel({ ...config, endToken: 2 }, { name: "clip", weights: randomStream(0), tokenizer });
 * const pictures = { data: new Uint8Array(2 * 20 * 30 * 3).fill(99), shape: [2, 20, 30, 3] } as const;
 * console.log((await model.imageEmbeddings(pictures)).length); // 12
 * console.log((await model.textEmbeddings(["red", "blue"])).length); // 12
 * model.dispose();
 * ```
 */
export function clipModel(config: ClipConfig, options: ClipModelOptions): ClipModel {
  const where = "clipModel";
  checkConfig(where, config);
  const { name, weights, tokenizer, preprocessing, batch = 8 } = checkObject(where, "options", options, optionKeys);
  checkText(where, "name", name);
  checkSource(where, weights);
  checkFunction(where, "tokenizer", tokenizer);
  checkInteger(where, "batch", batch, 1);
  const { imageSize } = config.vision;
  const settings = checkPreprocessing(where, { ...usualPreprocessing(imageSize), ...preprocessing }, imageSize);
  const network = declareClip(config);
  const { list: variables, get, dispose } = createParameters(name, network.specs, weights);
  const checkAlive = (method: string) => checkLive(`${name}.${method}`, { name, variables });

  const forward = (x: Tensor4D | Tensor): { features: Tensor2D } => {
    checkAlive("forward");
    checkBatch(`${name}.forward`, "x", x);
    if (x.rank !== 4 || x.shape.slice(1).join() !== [imageSize, imageSize, 3].join())
      throw new SidError(
        "shape-mismatch",
        `${name}.forward: x must be [B, ${imageSize}, ${imageSize}, 3], got ${showShape(x)}.`,
      );
    return { features: tidy(() => network.images(get, x)) };
  };
  const encodeTokens = (tokenIds: readonly (readonly number[])[]): Tensor2D => {
    checkAlive("encodeTokens");
    checkTokens(`${name}.encodeTokens`, config.text, tokenIds);
    const ends = tokenIds.map((ids) => endOf(`${name}.encodeTokens`, ids, config.endToken));
    // A causal tower never looks behind the end: what pads the texts is cut as far as it pads all of them.
    const length = Math.max(...ends) + 1;
    const ids = Int32Array.from(tokenIds.flatMap((row) => row.slice(0, length)));
    return tidy(() => network.texts(get, tensor(ids, [tokenIds.length, length], "int32"), ends));
  };
  /** Rows `[count · dimension]` of what `run` gives, a batch at a time. */
  const inBatches = async (method: string, count: number, run: (first: number, last: number) => Tensor2D) => {
    const rows = new Float32Array(count * config.dimension);
    for (let first = 0; first < count; first += batch) {
      const made = run(first, Math.min(first + batch, count));
      try {
        rows.set(await made.data<"float32">(), first * config.dimension);
      } finally {
        made.dispose();
      }
    }
    checkFiniteRows(`${name}.${method}`, rows);
    return rows;
  };
  const project = (method: string, pictures: Pictures) => {
    checkAlive(method);
    const { shape } = checkPictures(`${name}.${method}`, pictures);
    return inBatches(method, shape[0], (first, last) => {
      const x = standardised(pictures, [first, last], imageSize, settings);
      return tidy(() => forward(tensor4d(x, [last - first, imageSize, imageSize, 3])).features);
    });
  };

  return {
    name,
    config,
    preprocessing: settings,
    dimension: config.dimension,
    variables,
    forward,
    encodeTokens,
    async features(pictures): Promise<FeatureBatch> {
      return { features: await project("features", pictures) };
    },
    async imageEmbeddings(pictures) {
      return normalised(await project("imageEmbeddings", pictures), config.dimension);
    },
    async textEmbeddings(texts) {
      checkAlive("textEmbeddings");
      checkTexts(`${name}.textEmbeddings`, texts);
      const rows = await inBatches("textEmbeddings", texts.length, (first, last) =>
        encodeTokens(tokenizer(texts.slice(first, last))),
      );
      return normalised(rows, config.dimension);
    },
    async logitScale() {
      checkAlive("logitScale");
      return Math.exp((await get(logitScaleName).data())[0] as number);
    },
    dispose,
  };
}

/**
 * Lists a CLIP's parameters in the names of transformers' CLIPModel and PyTorch's shapes, without allocating anything.
 *
 * @param config - from {@link parseClipConfig} or {@link parseOpenClipConfig}, which have checked it.
 * @returns one spec per parameter, in the order of the model's variables.
 *
 * @example
 * ```ts
 * import { clipParameterSpecs, parseClipConfig } from "sid-lsg/models/features";
 *
 * const specs = clipParameterSpecs(parseClipConfig({}));
 * const sizes = specs.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
 * console.log(sizes.reduce((a, b) => a + b, 0)); // 151277313: ViT-B/32
 * ```
 */
export function clipParameterSpecs(config: ClipConfig): readonly ParameterSpec[] {
  checkConfig("clipParameterSpecs", config);
  return declareClip(config).specs;
}

/** Throws unless a configuration is complete, as the parsers of this library make it. */
function checkConfig(where: string, config: ClipConfig): void {
  checkFields(where, "config", config, { integers: ["dimension"] });
  checkClipTextConfig(where, "config.text", config.text);
  checkFields(where, "config.vision", config.vision, {
    integers: ["imageSize", "patchSize", "width", "feedForwardWidth", "layers", "heads"],
    numbers: ["normEps"],
  });
  checkOneOf(where, "config.vision.activation", config.vision.activation, ["quick_gelu", "gelu"]);
  if (config.endToken !== "highest") checkInteger(where, "config.endToken", config.endToken, 0);
}

/** Where a text's state is taken. */
function endOf(where: string, ids: readonly number[], end: ClipConfig["endToken"]): number {
  const at = ids.indexOf(end === "highest" ? ids.reduce((a, b) => Math.max(a, b), 0) : end);
  if (at >= 0) return at;
  throw new SidError(
    "invalid-argument",
    `${where}: a text has no token ${end}, which marks its end by the model's configuration (eos_token_id): the tokenizer is of another model.`,
  );
}

function checkTexts(where: string, texts: readonly string[]): void {
  const wrong = checkArray(where, "texts", texts).findIndex((text) => typeof text !== "string");
  if (texts.length === 0 || wrong >= 0)
    throw new SidError(
      "invalid-argument",
      `${where}: wanted at least one text, as strings, got ${texts.length === 0 ? "none" : `${describe(texts[wrong])} at ${wrong}`}.`,
    );
}

function checkFiniteRows(where: string, rows: Float32Array): void {
  if (!rows.every(Number.isFinite))
    throw new SidError("not-finite", `${where}: the network gave NaN or infinities: are these the weights of a CLIP?`);
}

/** Each row divided by its length. */
function normalised(rows: Float32Array, dimension: number): Float32Array {
  for (let at = 0; at < rows.length; at += dimension) {
    const row = rows.subarray(at, at + dimension);
    const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
    row.forEach((x, i) => {
      row[i] = x / Math.max(length, 1e-12);
    });
  }
  return rows;
}
