"""Golden vectors of the autoencoder, from diffusers' AutoencoderKL with small random weights.

Run: python test/golden/vae.py (torch 2.15, diffusers 0.42). Writes beside itself:
vae-NAME.safetensors  weights, and both ways of one small network: inputs, outputs, gradients of the inputs and of
                      parameters outside convolutions; its config is in the metadata
vae-parameters.json   names and shapes of all parameters of Stable Diffusion 1.5 and XL (no weights)
"""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

HERE = Path(__file__).parent


def levels(*channels: int) -> dict:
    blocks = {"down_block_types": "DownEncoderBlock2D", "up_block_types": "UpDecoderBlock2D"}
    return {"block_out_channels": list(channels), **{key: [name] * len(channels) for key, name in blocks.items()}}


# name: (config, [height, width] of the images). Groups of several channels everywhere, as in unet.py.
CASES = {
    "two-levels": (dict(**levels(8, 16), norm_num_groups=4), [6, 10]),
    "three-levels": (
        dict(
            **levels(4, 8, 8), norm_num_groups=2, layers_per_block=2, in_channels=1, out_channels=2, latent_channels=3,
            scaling_factor=1.3, shift_factor=0.2, use_quant_conv=False,
        ),
        [9, 14],
    ),
    "no-attention": (
        dict(
            **levels(8), norm_num_groups=2, mid_block_add_attention=False, use_post_quant_conv=False,
            scaling_factor=0.13025, force_upcast=False,
        ),
        [5, 3],
    ),
}

COMMON = {"act_fn": "silu", "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "out_channels": 3}
STABLE_DIFFUSION = {
    "sd15": {
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", **COMMON, **levels(128, 256, 512, 512),
        "norm_num_groups": 32, "sample_size": 512,
    },
    "sdxl": {
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.20.0.dev0", **COMMON, **levels(128, 256, 512, 512),
        "force_upcast": True, "norm_num_groups": 32, "sample_size": 1024, "scaling_factor": 0.13025,
    },
}

nhwc = lambda a: a.detach().permute(0, 2, 3, 1).contiguous()


def small_case(name: str, config: dict, size: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    model = AutoencoderKL(**config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Scales and shifts off their trivial start; float16 values, so that the file stays small.
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).half().float())
    scaling, shift = model.config.scaling_factor, model.config.shift_factor or 0
    images = torch.randn(2, model.config.in_channels, *size, requires_grad=True)
    posterior = model.encode(images).latent_dist
    noise = torch.randn_like(posterior.mean)
    mean = (posterior.mean - shift) * scaling
    sample = (posterior.mean + posterior.std * noise - shift) * scaling
    d_sample = torch.randn_like(sample)
    sample.backward(d_sample)
    latents = torch.randn_like(mean, requires_grad=True)
    decoded = model.decode(latents / scaling + shift).sample
    d_decoded = torch.randn_like(decoded)
    decoded.backward(d_decoded)
    tensors = {f"weight.{n}": p.detach().half() for n, p in model.named_parameters()}
    # The bias of the keys shifts all scores of a query alike: its gradient is zero but for rounding.
    small = [(n, p) for n, p in model.named_parameters() if p.ndim <= 2 and not n.endswith("to_k.bias")]
    tensors |= {f"gradient.{n}": p.grad for n, p in small}
    images_and_maps = {
        "images": images, "noise": noise, "mean": mean, "sample": sample, "cotangent_sample": d_sample,
        "gradient_images": images.grad, "latents": latents, "decoded": decoded, "cotangent_decoded": d_decoded,
        "gradient_latents": latents.grad,
    }
    tensors |= {key: nhwc(value) for key, value in images_and_maps.items()}
    for key, value in tensors.items():
        assert torch.isfinite(value).all(), key
    file = HERE / f"vae-{name}.safetensors"
    save_file(tensors, file, metadata={"config": json.dumps(config)})
    file.chmod(0o644)


def parameter_lists() -> dict:
    lists = {}
    for name, config in STABLE_DIFFUSION.items():
        with torch.device("meta"):
            model = AutoencoderKL(**{k: v for k, v in config.items() if not k.startswith("_")})
        shapes = sorted(f"{n} {','.join(map(str, p.shape))}" for n, p in model.state_dict().items())
        lists[name] = {"config": config, "parameters": shapes}
    return lists


if __name__ == "__main__":
    torch.set_num_threads(1)
    for index, (name, case) in enumerate(CASES.items()):
        small_case(name, *case, seed=index)
    (HERE / "vae-parameters.json").write_text(json.dumps(parameter_lists(), indent=0))
