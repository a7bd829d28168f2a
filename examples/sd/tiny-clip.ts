import { randomStream } from "sid-lsg";
import { writeFileAtomic, writeSafetensors } from "sid-lsg/io";
import { readWeights } from "sid-lsg/models";
import { clipModel, parseClipConfig } from "sid-lsg/models/features";
import { makeFolder } from "../common/folders";
import { tinyTokenizer } from "./tiny-tokenizer";

const pixels = 32;

/**
 * Writes a complete folder of transformers' CLIPModel, random, in less than a megabyte: what it scores means nothing. Its
 * tokenizer is that of the tiny Stable Diffusion.
 */
export async function writeTinyClip(folder: string, seed: number): Promise<void> {
  const { texts, config: tokenizerConfig, vocabularySize } = tinyTokenizer();
  const layers = { hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4 };
  const [start, end] = [vocabularySize - 2, vocabularySize - 1];
  const config = {
    architectures: ["CLIPModel"],
    model_type: "clip",
    projection_dim: 16,
    text_config: { ...layers, vocab_size: vocabularySize, bos_token_id: start, eos_token_id: end, pad_token_id: end },
    vision_config: { ...layers, image_size: pixels, patch_size: 8 },
  };
  const tokenizer = () => [];
  const model = clipModel(parseClipConfig(config), { name: "tiny-clip", weights: randomStream(seed), tokenizer });
  const weights = await readWeights(model);
  model.dispose();
  makeFolder(folder);
  const files = {
    ...texts,
    "tokenizer_config.json": JSON.stringify(tokenizerConfig),
    "preprocessor_config.json": JSON.stringify({
      image_processor_type: "CLIPImageProcessor",
      size: { shortest_edge: pixels },
      crop_size: { height: pixels, width: pixels },
    }),
    "config.json": JSON.stringify(config),
  };
  await writeSafetensors(`${folder}/model.safetensors`, weights, { format: "pt" });
  for (const [name, text] of Object.entries(files)) await writeFileAtomic(`${folder}/${name}`, text);
}
