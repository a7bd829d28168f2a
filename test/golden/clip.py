"""Golden vectors of the text encoder, from transformers' CLIPTextModel with small random weights.

Run: python test/golden/clip.py (torch 2.15, transformers 5.24). Writes clip-NAME.safetensors beside itself:
weights, token ids, last hidden state, and the gradient of every weight; the config is in the metadata. Also
clip-parameters.json: names and shapes of what Stable Diffusion's real configurations give.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

torch.set_num_threads(1)

# The files text_encoder/config.json of both models. Their ids of the special tokens are not the tokenizer's: with an
# eos_token_id of 2 transformers pools at the highest id, which the last hidden state has no part in.
SD15 = dict(
    _name_or_path="openai/clip-vit-large-patch14", architectures=["CLIPTextModel"], attention_dropout=0.0,
    bos_token_id=0, dropout=0.0, eos_token_id=2, hidden_act="quick_gelu", hidden_size=768, initializer_factor=1.0,
    initializer_range=0.02, intermediate_size=3072, layer_norm_eps=1e-05, max_position_embeddings=77,
    model_type="clip_text_model", num_attention_heads=12, num_hidden_layers=12, pad_token_id=1, projection_dim=768,
    torch_dtype="float32", transformers_version="4.22.0.dev0", vocab_size=49408,
)
SD21 = dict(
    SD15, _name_or_path="hf-models/stable-diffusion-v2-768x768/text_encoder", hidden_act="gelu", hidden_size=1024,
    intermediate_size=4096, num_attention_heads=16, num_hidden_layers=23, projection_dim=512,
    transformers_version="4.25.0.dev0",
)
STABLE_DIFFUSION = {"sd15": SD15, "sd21": SD21}

SMALL = dict(vocab_size=13, hidden_size=8, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2)
# name: (config, tokens per prompt). The shorter prompt leaves positions without a gradient.
CASES = {
    "quick-gelu": (dict(SMALL, hidden_act="quick_gelu", max_position_embeddings=7), 5),
    "gelu": (
        dict(
            SMALL, num_hidden_layers=3, num_attention_heads=4, hidden_act="gelu", max_position_embeddings=6,
            layer_norm_eps=1e-3,
        ),
        6,
    ),
    # Every option of Stable Diffusion 2.1, narrower and with fewer layers; prompts padded to 77 with 0.
    "sd21": (
        dict(
            STABLE_DIFFUSION["sd21"], vocab_size=13, hidden_size=8, intermediate_size=20, num_hidden_layers=3,
            num_attention_heads=2, projection_dim=4,
        ),
        77,
    ),
}


def published(name):
    """transformers 5 drops the prefix that published files have."""
    return name if name.startswith("text_model.") else f"text_model.{name}"


for seed, (name, (config, length)) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    special = dict(bos_token_id=11, eos_token_id=12, pad_token_id=0)
    model = CLIPTextModel(CLIPTextConfig(**(special | config))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Scales and shifts off their trivial start; float16 values, so that the file stays small.
            parameter.copy_((parameter + 0.3 * torch.randn_like(parameter)).half().float())
    ids = torch.randint(0, config["vocab_size"], (3, length))
    ids[1] = ids[0]
    ids[1, -1] = (ids[0, -1] + 1) % config["vocab_size"]
    if length == 77:
        ids[0, 20:], ids[2, 60:] = 0, 0
    output = model(input_ids=ids).last_hidden_state
    cotangent = torch.randn_like(output)
    output.backward(cotangent)
    named = [(published(n), p) for n, p in model.named_parameters()]
    tensors = {f"weight.{n}": p.detach().half() for n, p in named} | {f"gradient.{n}": p.grad for n, p in named}
    tensors |= {"ids": ids, "output": output.detach(), "cotangent": cotangent}
    for key, value in tensors.items():
        assert torch.isfinite(value).all(), key
    save_file(tensors, Path(__file__).parent / f"clip-{name}.safetensors", metadata={"config": json.dumps(config)})

parameters = {}
for name, config in STABLE_DIFFUSION.items():
    with torch.device("meta"):
        model = CLIPTextModel(CLIPTextConfig(**config))
    listed = sorted(f"{published(n)} {','.join(map(str, p.shape))}" for n, p in model.named_parameters())
    parameters[name] = dict(config=config, parameters=listed)
(Path(__file__).parent / "clip-parameters.json").write_text(json.dumps(parameters, indent=1) + "\n")
