"""Golden vectors of the U-Net, from diffusers' UNet2DConditionModel with small random weights.

Run: python test/golden/unet.py (torch 2.15, diffusers 0.42). Writes beside itself:
unet-NAME.safetensors  weights, inputs, output and gradients of one small network; its config is in the metadata
unet-parameters.json   names and shapes of all parameters of Stable Diffusion 1.5 and 2.1 (no weights)
"""

import json
import math
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

HERE = Path(__file__).parent
CROSS_DOWN, DOWN, CROSS_UP, UP = "CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"

# name: (config, [height, width], tokens). Groups of several channels everywhere: with one channel
# per group, the bias before a normalisation has no gradient but rounding noise.
CASES = {
    "heads-per-level": (
        dict(
            in_channels=3, out_channels=3, block_out_channels=[8, 16], layers_per_block=1, attention_head_dim=[2, 4],
            down_block_types=[CROSS_DOWN, CROSS_DOWN], up_block_types=[CROSS_UP, CROSS_UP],
            norm_num_groups=4, cross_attention_dim=6,
        ),
        [4, 6],
        5,
    ),
    "linear-projection": (
        dict(
            block_out_channels=[8, 16], layers_per_block=1, attention_head_dim=2, use_linear_projection=True,
            upcast_attention=True, down_block_types=[CROSS_DOWN, DOWN], up_block_types=[UP, CROSS_UP],
            norm_num_groups=2, cross_attention_dim=5, time_embedding_dim=12,
        ),
        [5, 3],
        3,
    ),
    "three-levels": (
        dict(
            in_channels=2, out_channels=4, block_out_channels=[4, 8, 8], layers_per_block=[1, 2, 1],
            attention_head_dim=[1, 2, 4], transformer_layers_per_block=[1, 1, 2],
            down_block_types=[DOWN, CROSS_DOWN, DOWN], up_block_types=[CROSS_UP, UP, CROSS_UP],
            norm_num_groups=2, cross_attention_dim=7,
        ),
        [4, 8],
        4,
    ),
    "other-options": (
        dict(
            block_out_channels=[4, 8], layers_per_block=2, attention_head_dim=4,
            down_block_types=[CROSS_DOWN, CROSS_DOWN], up_block_types=[CROSS_UP, CROSS_UP],
            norm_num_groups=2, cross_attention_dim=4, flip_sin_to_cos=False, freq_shift=1, downsample_padding=0,
            center_input_sample=True, mid_block_scale_factor=math.sqrt(2), norm_eps=1e-3,
            conv_in_kernel=5, conv_out_kernel=1,
        ),
        [6, 4],
        2,
    ),
}

STABLE_DIFFUSION = {
    "sd15": {
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280], "center_input_sample": False,
        "cross_attention_dim": 768, "down_block_types": [CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN],
        "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
        "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
        "up_block_types": [UP, CROSS_UP, CROSS_UP, CROSS_UP],
    },
    "sd21": {
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.10.0.dev0", "act_fn": "silu",
        "attention_head_dim": [5, 10, 20, 20], "block_out_channels": [320, 640, 1280, 1280],
        "center_input_sample": False, "cross_attention_dim": 1024,
        "down_block_types": [CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN], "downsample_padding": 1,
        "dual_cross_attention": False, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4,
        "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32,
        "num_class_embeds": None, "only_cross_attention": False, "out_channels": 4, "sample_size": 96,
        "up_block_types": [UP, CROSS_UP, CROSS_UP, CROSS_UP], "use_linear_projection": True,
        "upcast_attention": True,
    },
}


def small_case(name: str, config: dict, size: list[int], tokens: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = UNet2DConditionModel(**config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Scales and shifts off their trivial start; float16 values, so that the file stays small.
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).half().float())
    batch = 2
    x = torch.randn(batch, model.config.in_channels, *size, requires_grad=True)
    cond = torch.randn(batch, tokens, config["cross_attention_dim"], requires_grad=True)
    t = torch.tensor([17, 913])
    y = model(x, t, cond).sample
    dy = torch.randn_like(y)
    y.backward(dy)
    tensors = {f"weight.{n}": p.detach().half() for n, p in model.named_parameters()}
    tensors |= {f"gradient.{n}": p.grad for n, p in model.named_parameters()}
    nhwc = lambda a: a.detach().permute(0, 2, 3, 1).contiguous()
    tensors |= {
        "xt": nhwc(x), "cond": cond.detach(), "t": t, "output": nhwc(y), "cotangent": nhwc(dy),
        "gradient_xt": nhwc(x.grad), "gradient_cond": cond.grad,
    }
    for key, value in tensors.items():
        assert torch.isfinite(value).all(), key
    save_file(tensors, HERE / f"unet-{name}.safetensors", metadata={"config": json.dumps(config)})


def parameter_lists() -> dict:
    lists = {}
    for name, config in STABLE_DIFFUSION.items():
        with torch.device("meta"):
            model = UNet2DConditionModel(**{k: v for k, v in config.items() if not k.startswith("_")})
        shapes = sorted(f"{n} {','.join(map(str, p.shape))}" for n, p in model.state_dict().items())
        lists[name] = {"config": config, "parameters": shapes}
    return lists


if __name__ == "__main__":
    torch.set_num_threads(1)
    for index, (name, case) in enumerate(CASES.items()):
        small_case(name, *case, seed=index)
    (HERE / "unet-parameters.json").write_text(json.dumps(parameter_lists(), indent=0))
