"""Golden vectors of the ways in which files of low-rank adapters are written, on the base of lora.py.

Run: python test/golden/lora_formats.py (torch 2.15, diffusers 0.42, peft 0.21). Writes lora-formats/ beside itself:
one file per way, as PEFT and diffusers save them or, where nothing saves so any more, renamed; outputs.safetensors
with the output of the U-Net under each, as PEFT and diffusers read them, and the gradients under the first; and
original-names.json.gz, the layers of Stable Diffusion 1.5 in diffusers' words and those of the original code.

diffusers 0.42 gives layers of attention the commonest alpha of a kohya file in place of their own: the outputs of
"kohya-attention-alphas" are those of PEFT with the alphas that the file states.

Run: python test/golden/lora_formats.py FILE: loads an adapter that this library wrote by diffusers and prints the
relative error of its output against that of the first way.
"""

import gzip
import json
import shutil
import sys
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, create_unet_diffusers_config_from_ldm
from lora import base_and_inputs
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

OUT = Path(__file__).parent / "lora-formats"
DOWN, UP, MID = "down_blocks.1.attentions.0", "up_blocks.0.attentions.1", "mid_block.attentions.0"
BLOCK = "transformer_blocks.0"
# One layer of each kind, with its rank and alpha; those of attention have the commonest alpha (see above).
LAYERS = {
    "conv_in": (1, 0.5),
    "time_embedding.linear_2": (2, 1.0),
    "down_blocks.0.resnets.0.conv1": (2, 2.0),
    "down_blocks.0.downsamplers.0.conv": (1, 1.5),
    "down_blocks.1.resnets.0.conv_shortcut": (2, 2.0),
    "down_blocks.1.resnets.0.time_emb_proj": (1, 3.0),
    f"{DOWN}.proj_in": (2, 1.0),
    f"{DOWN}.{BLOCK}.attn1.to_q": (2, 2.0),
    f"{DOWN}.{BLOCK}.attn2.to_k": (3, 2.0),
    f"{DOWN}.{BLOCK}.attn2.to_out.0": (1, 2.0),
    f"{DOWN}.{BLOCK}.ff.net.0.proj": (2, 4.0),
    f"{DOWN}.{BLOCK}.ff.net.2": (1, 2.0),
    f"{MID}.{BLOCK}.attn1.to_out.0": (2, 2.0),
    f"{MID}.proj_out": (1, 0.25),
    "mid_block.resnets.1.conv2": (2, 1.0),
    "up_blocks.0.upsamplers.0.conv": (1, 2.0),
    f"{UP}.{BLOCK}.attn2.to_v": (2, 2.0),
    "up_blocks.1.resnets.1.conv_shortcut": (1, 2.0),
    "conv_out": (1, 1.0),
}
ATTENTION = {name: value for name, value in LAYERS.items() if ".attn" in name}


def config(layers: dict, **more) -> LoraConfig:
    return LoraConfig(
        r=2, lora_alpha=2, target_modules=list(layers),
        rank_pattern={name: r for name, (r, _) in layers.items() if r != 2},
        alpha_pattern={name: a for name, (_, a) in layers.items() if a != 2}, **more,
    )  # fmt: skip


def draw(model, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_((0.4 * torch.randn(parameter.shape, generator=generator)).half().float())


def adapted(layers: dict = LAYERS, seed: int = 1, **more) -> UNet2DConditionModel:
    model = base_and_inputs()[0].requires_grad_(False)
    model.add_adapter(config(layers, **more))
    draw(model, seed)
    return model


def output(model) -> torch.Tensor:
    _, x, cond, t, _ = base_and_inputs()
    return model(x, t, cond).sample.detach().permute(0, 2, 3, 1).contiguous()


def read(state: dict, **more) -> torch.Tensor:
    """The output as StableDiffusionPipeline.load_lora_weights has it."""
    model, _, _, _, _ = base_and_inputs()
    state, alphas, metadata = StableDiffusionPipeline.lora_state_dict(dict(state), return_lora_metadata=True, **more)
    StableDiffusionPipeline.load_lora_into_unet(state, alphas, model, metadata=metadata)
    return output(model)


def half(state: dict) -> dict:
    return {name: tensor.detach().half().contiguous() for name, tensor in state.items()}


def kohya(state: dict, alphas: dict, prefix: str = "lora_unet_", names=lambda name: name) -> dict:
    out = {}
    for name, tensor in half(state).items():
        layer, factor = name.rsplit(".lora_", 1)
        stem = prefix + names(layer).replace(".", "_")
        out[f"{stem}.lora_{'down' if factor[0] == 'A' else 'up'}.weight"] = tensor
        out[f"{stem}.alpha"] = torch.tensor(alphas[layer]).half()
    return out


def older(name: str, processor: str) -> str:
    """diffusers' names before PEFT's: those of attention processors, and `.lora.down` elsewhere."""
    layer, factor = name.rsplit(".lora_", 1)
    end = "down.weight" if factor[0] == "A" else "up.weight"
    if ".attn" not in layer:
        return f"{layer}.lora.{end}"
    block, projection = layer.removesuffix(".0").rsplit(".", 1)
    return f"{block}{processor}.{projection}_lora.{end}"


def original_names() -> dict:
    """Layers of Stable Diffusion 1.5, diffusers' names to the original code's, by diffusers' converter."""
    ldm = {}
    with torch.device("meta"):
        model = UNet2DConditionModel(cross_attention_dim=768)
    wanted = model.state_dict()
    # The converter moves tensors: each original name goes in as a number and comes out under its new name.
    layers = [("time_embed.0", 0), ("time_embed.2", 0), ("input_blocks.0.0", 0), ("out.0", 0), ("out.2", 0)]
    resnet = ["in_layers.0", "in_layers.2", "out_layers.0", "out_layers.3", "emb_layers.1", "skip_connection"]
    block = [f"{BLOCK}.{n}" for n in (
        *(f"attn{i}.{p}" for i in (1, 2) for p in ("to_q", "to_k", "to_v", "to_out.0")),
        "ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3")]  # fmt: skip
    transformer = ["norm", "proj_in", *block, "proj_out"]
    for i in range(1, 12):
        if i % 3 == 0:
            layers.append((f"input_blocks.{i}.0.op", 0))
            continue
        layers += [(f"input_blocks.{i}.0.{n}", 0) for n in resnet]
        layers += [(f"input_blocks.{i}.1.{n}", 0) for n in transformer if i < 9]
    for i, names in enumerate((resnet, transformer, resnet)):
        layers += [(f"middle_block.{i}.{n}", 0) for n in names]
    for i in range(12):
        layers += [(f"output_blocks.{i}.0.{n}", 0) for n in resnet]
        layers += [(f"output_blocks.{i}.1.{n}", 0) for n in transformer if i > 2]
        if i in (2, 5, 8):
            layers.append((f"output_blocks.{i}.{1 if i == 2 else 2}.conv", 0))
    names = [name for name, _ in layers]
    for i, name in enumerate(names):
        for kind in ("weight", "bias"):
            ldm[f"model.diffusion_model.{name}.{kind}"] = torch.tensor(float(i))
    converted = convert_ldm_unet_checkpoint(ldm, dict(model.config) | {"class_embed_type": None, "addition_embed_type": None})
    return {
        name.removesuffix(".weight"): names[int(converted[name])]
        for name, tensor in wanted.items()
        if name.endswith(".weight") and tensor.ndim > 1
    }


def make() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    outputs = {}
    alphas = {name: alpha for name, (_, alpha) in LAYERS.items()}

    # PEFT's own folder, and the gradients.
    base, x, cond, t, dy = base_and_inputs()
    mixed = {name: (r, a + (0.5 * i if name in ATTENTION else 0)) for i, (name, (r, a)) in enumerate(LAYERS.items())}
    model = get_peft_model(base.requires_grad_(False), config(mixed))
    draw(model, 1)
    outputs["peft"] = output(model)
    base(x, t, cond).sample.backward(dy)
    for name, parameter in base.named_parameters():
        if parameter.grad is not None:
            outputs[f"gradient.{name.replace('.default.', '.')}"] = parameter.grad.half().float()
    model.save_pretrained(OUT / "peft")
    (OUT / "peft" / "README.md").unlink()
    state = {n: p for n, p in model.state_dict().items() if "lora_" in n}

    few = {name: LAYERS[name] for name in ("conv_in", f"{DOWN}.{BLOCK}.attn1.to_q", f"{DOWN}.{BLOCK}.attn2.to_k")}
    rooted = get_peft_model(base_and_inputs()[0], config(few, use_rslora=True))
    draw(rooted, 2)
    outputs["peft-rslora"] = output(rooted)
    rooted.save_pretrained(OUT / "peft-rslora")
    (OUT / "peft-rslora" / "README.md").unlink()

    # The same state dict saved by hand, where every scale is 1.
    plain = get_peft_model(base_and_inputs()[0], config({name: (r, r) for name, (r, _) in LAYERS.items()}))
    draw(plain, 1)
    outputs["peft-state-dict"] = output(plain)
    save_file(half(state), OUT / "peft-state-dict.safetensors")

    # diffusers of today, by the pipeline and by the network.
    model = adapted(mixed)
    names = get_peft_model_state_dict(model)
    StableDiffusionPipeline.save_lora_weights(
        OUT, unet_lora_layers=half(names), weight_name="diffusers.safetensors",
        unet_lora_adapter_metadata={
            k: v for k, v in config(mixed).to_dict().items() if k in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora")
        } | {"target_modules": list(mixed)},
    )  # fmt: skip
    outputs["diffusers"] = output(model)
    assert torch.equal(outputs["diffusers"], outputs["peft"])
    model.save_lora_adapter(OUT, weight_name="diffusers-network.safetensors")
    outputs["diffusers-network"] = output(model)

    # diffusers before PEFT; no alphas, so that every scale is 1.
    for way, prefix, processor in (("diffusers-processor", "unet.", ".processor"), ("diffusers-older", "unet.", "")):
        save_file({prefix + older(n, processor): v for n, v in half(names).items()}, OUT / f"{way}.safetensors")
        outputs[way] = read(load_file(OUT / f"{way}.safetensors"))
        torch.testing.assert_close(outputs[way], outputs["peft-state-dict"])
    attention = adapted({name: (r, r) for name, (r, _) in ATTENTION.items()}, 3)
    state = {older(n, ".processor"): v for n, v in half(get_peft_model_state_dict(attention)).items()}
    save_file(state, OUT / "attn-procs.safetensors")
    unet = base_and_inputs()[0]
    unet.load_lora_adapter(OUT, prefix=None, weight_name="attn-procs.safetensors")
    outputs["attn-procs"] = output(unet)

    # kohya's, with a text encoder's entries, and with the original code's names.
    names = get_peft_model_state_dict(adapted())
    text = {
        f"lora_te_text_model_encoder_layers_0_{layer}.{part}": value
        for layer in ("mlp_fc1", "self_attn_q_proj")
        for part, value in (
            ("lora_down.weight", torch.zeros(1, 4).half()), ("lora_up.weight", torch.zeros(4, 1).half()),
            ("alpha", torch.tensor(1.0).half()),
        )
    }  # fmt: skip
    save_file(kohya(names, alphas) | text, OUT / "kohya.safetensors", metadata={"ss_network_dim": "2"})
    outputs["kohya"] = read(load_file(OUT / "kohya.safetensors"))
    torch.testing.assert_close(outputs["kohya"], output(adapted()))
    mixed_alphas = {name: alpha for name, (_, alpha) in mixed.items()}
    save_file(kohya(names, mixed_alphas), OUT / "kohya-attention-alphas.safetensors")
    outputs["kohya-attention-alphas"] = outputs["peft"].clone()
    ldm = {
        "conv_in": "input_blocks.0.0", "conv_out": "out.2", "time_embedding.linear_2": "time_embed.2",
        "down_blocks.0.resnets.0.conv1": "input_blocks.1.0.in_layers.2",
        "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
        "down_blocks.1.resnets.0.conv_shortcut": "input_blocks.3.0.skip_connection",
        "down_blocks.1.resnets.0.time_emb_proj": "input_blocks.3.0.emb_layers.1",
        "mid_block.resnets.1.conv2": "middle_block.2.out_layers.3",
        "up_blocks.0.upsamplers.0.conv": "output_blocks.1.2.conv",
        "up_blocks.1.resnets.1.conv_shortcut": "output_blocks.3.0.skip_connection",
    }  # fmt: skip
    inside = {DOWN: "input_blocks.3.1", UP: "output_blocks.1.1", MID: "middle_block.1"}
    for name in LAYERS:
        for block, place in inside.items():
            if name.startswith(f"{block}."):
                ldm[name] = name.replace(block, place)
    save_file(kohya(names, alphas, names=ldm.__getitem__), OUT / "kohya-original.safetensors")
    outputs["kohya-original"] = read(load_file(OUT / "kohya-original.safetensors"), unet_config=base_and_inputs()[0].config)
    torch.testing.assert_close(outputs["kohya-original"], outputs["kohya"])

    save_file(outputs, OUT / "outputs.safetensors")
    with gzip.GzipFile(OUT / "original-names.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(original_names(), separators=(",", ":")).encode())


def check(file: str) -> None:
    model, x, cond, t, _ = base_and_inputs()
    state, alphas, metadata = StableDiffusionPipeline.lora_state_dict(file, return_lora_metadata=True)
    StableDiffusionPipeline.load_lora_into_unet(state, alphas, model, metadata=metadata)
    wanted = load_file(OUT / "outputs.safetensors")["peft"]
    print("relative error", float((output(model) - wanted).norm() / wanted.norm()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    check(sys.argv[1]) if len(sys.argv) > 1 else make()
