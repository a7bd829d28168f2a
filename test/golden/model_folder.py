"""A model folder in shards, as diffusers and transformers write it: names of files, indices, a variant, a tokenizer.

Run: python test/golden/model_folder.py (torch 2.15, diffusers 0.42, transformers 5.24). Writes the folder model-folder
beside itself, and in sums.json the sum of each tensor.
"""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

torch.manual_seed(0)
here = Path(__file__).parent
folder = here / "model-folder"
shutil.rmtree(folder, ignore_errors=True)

words = here / "words"
words.mkdir(exist_ok=True)
pieces = ["a</w>", "b</w>", "a", "b", "ab</w>", "<|startoftext|>", "<|endoftext|>"]
(words / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
(words / "merges.txt").write_text("#version: 0.2\na b</w>\n")
tokenizer = CLIPTokenizer(str(words / "vocab.json"), str(words / "merges.txt"))

unet = UNet2DConditionModel(
    block_out_channels=(4,), layers_per_block=1, norm_num_groups=2, cross_attention_dim=4, attention_head_dim=2,
    down_block_types=("CrossAttnDownBlock2D",), up_block_types=("CrossAttnUpBlock2D",),
)
vae = AutoencoderKL(block_out_channels=(4,), norm_num_groups=2)
text_encoder = CLIPTextModel(
    CLIPTextConfig(
        vocab_size=7, hidden_size=4, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=5, bos_token_id=5, eos_token_id=6,
    )
)
pipeline = StableDiffusionPipeline(
    vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=DDIMScheduler(),
    safety_checker=None, feature_extractor=None, requires_safety_checker=False,
)
pipeline.to(torch.float16)
pipeline.save_pretrained(folder, variant="fp16", max_shard_size="6KB")
shutil.rmtree(words)
sums = {
    name: {key: float(value.double().sum()) for key, value in getattr(pipeline, name).state_dict().items()}
    for name in ["unet", "vae", "text_encoder"]
}
(folder / "sums.json").write_text(json.dumps(sums))
