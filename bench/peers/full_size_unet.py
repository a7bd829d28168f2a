"""Writes a U-Net of Stable Diffusion's full size with random weights, and what it predicts, for bench/full-size.ts.

    python bench/peers/full_size_unet.py FOLDER 1.5|2.1

Seen with torch 2.15, diffusers 0.42. The configurations are the published ones of the two models.
"""

import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

folder, version = Path(sys.argv[1]), sys.argv[2]
common = dict(
    sample_size=64,
    in_channels=4,
    out_channels=4,
    down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    block_out_channels=(320, 640, 1280, 1280),
    layers_per_block=2,
    norm_num_groups=32,
)
versions = {
    "1.5": dict(cross_attention_dim=768, attention_head_dim=8),
    "2.1": dict(cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True),
}
torch.manual_seed(0)
net = UNet2DConditionModel(**common, **versions[version]).eval()
net.save_pretrained(folder / "unet")
sample = torch.randn(1, 4, 8, 8)
text = torch.randn(1, 77, versions[version]["cross_attention_dim"])
with torch.no_grad():
    predicted = net(sample, 500, text).sample
save_file({"sample": sample, "text": text, "predicted": predicted}, folder / "case.safetensors")
print(sum(p.numel() for p in net.parameters()), "parameters")
