"""Whether diffusers takes a folder that `npm run sd:distill` wrote, and computes as this library does.

    npx tsx --tsconfig tsconfig.base.json scripts/sd-forward.ts FOLDER forward.safetensors
    python test/golden/check_sd_folder.py FOLDER forward.safetensors
"""
import sys

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file

folder, forward = sys.argv[1:]
ours = load_file(forward)
unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
vae = AutoencoderKL.from_pretrained(folder, subfolder="vae")
pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, requires_safety_checker=False, feature_extractor=None)
nchw = lambda x: x.permute(0, 3, 1, 2)
with torch.no_grad():
    ids = pipeline.tokenizer("a red fox", padding="max_length", truncation=True, return_tensors="pt").input_ids
    cond = pipeline.text_encoder(ids)[0]
    eps = unet(nchw(ours["xt"]), ours["t"], cond).sample
    image = vae.decode(nchw(ours["xt"]) / vae.config.scaling_factor).sample
for name, theirs in dict(cond=cond, eps=eps, image=image).items():
    mine = ours[name] if name == "cond" else nchw(ours[name])
    error = ((mine - theirs).norm() / theirs.norm()).item()
    print(f"{name} {list(theirs.shape)}: relative error {error:.1e}")
    assert error < 1e-4
print(pipeline("a red fox", num_inference_steps=2, height=64, width=64, output_type="np").images.shape)
