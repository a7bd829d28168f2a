"""Golden vectors of low-rank adapters, from PEFT on diffusers' UNet2DConditionModel, saved as diffusers saves them.

Run: python test/golden/lora.py (torch 2.15, diffusers 0.42, peft 0.21). Writes beside itself:
lora-adapter.safetensors  the adapter, by StableDiffusionPipeline.save_lora_weights
lora-case.safetensors     the base's weights, inputs, output and the gradients of the adapter

Run: python test/golden/lora.py FILE: loads an adapter written by this library into the same base by
StableDiffusionPipeline.load_lora_into_unet and prints the relative error of its output against that of the case.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
CONFIG = dict(
    in_channels=3, out_channels=3, block_out_channels=[4, 8], layers_per_block=1, attention_head_dim=2,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"], up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
    norm_num_groups=2, cross_attention_dim=6,
)
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj"]


def base_and_inputs():
    torch.manual_seed(11)
    model = UNet2DConditionModel(**CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).half().float())
    x = torch.randn(2, 3, 4, 6)
    cond = torch.randn(2, 5, 6)
    dy = torch.randn(2, 3, 4, 6)
    return model, x, cond, torch.tensor([17, 913]), dy


def make() -> None:
    model, x, cond, t, dy = base_and_inputs()
    weights = {f"weight.{n}": p.detach().half() for n, p in model.named_parameters()}
    model.requires_grad_(False)
    model.add_adapter(LoraConfig(r=3, lora_alpha=5, target_modules=TARGETS))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.3 * torch.randn_like(parameter))
    y = model(x, t, cond).sample
    y.backward(dy)
    gradients = {
        "gradient." + n.replace(".default.", "."): p.grad for n, p in model.named_parameters() if p.grad is not None
    }
    StableDiffusionPipeline.save_lora_weights(
        HERE,
        unet_lora_layers=get_peft_model_state_dict(model),
        weight_name="lora-adapter.safetensors",
        unet_lora_adapter_metadata={"r": 3, "lora_alpha": 5, "target_modules": TARGETS},
    )
    nhwc = lambda a: a.detach().permute(0, 2, 3, 1).contiguous()
    tensors = weights | gradients | {"xt": nhwc(x), "cond": cond, "t": t, "output": nhwc(y), "cotangent": nhwc(dy)}
    save_file(tensors, HERE / "lora-case.safetensors", metadata={"config": json.dumps(CONFIG)})


def check(file: str) -> None:
    model, x, cond, t, _ = base_and_inputs()
    state, alphas, metadata = StableDiffusionPipeline.lora_state_dict(file, return_lora_metadata=True)
    StableDiffusionPipeline.load_lora_into_unet(state, alphas, model, metadata=metadata)
    wanted = load_file(HERE / "lora-case.safetensors")["output"].permute(0, 3, 1, 2)
    error = (model(x, t, cond).sample - wanted).norm() / wanted.norm()
    print("relative error", float(error))


if __name__ == "__main__":
    torch.set_num_threads(1)
    check(sys.argv[1]) if len(sys.argv) > 1 else make()
