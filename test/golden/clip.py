"""Golden vectors of the text encoder, from transformers' CLIPTextModel with small random weights.

Run: python test/golden/clip.py (torch 2.15, transformers 5.23). Writes clip-NAME.safetensors beside itself:
weights, token ids, last hidden state, and the gradient of every weight; the config is in the metadata.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

torch.set_num_threads(1)

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
}

for seed, (name, (config, length)) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    special = dict(bos_token_id=11, eos_token_id=12, pad_token_id=0)
    model = CLIPTextModel(CLIPTextConfig(**config, **special)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Scales and shifts off their trivial start; float16 values, so that the file stays small.
            parameter.copy_((parameter + 0.3 * torch.randn_like(parameter)).half().float())
    ids = torch.randint(0, config["vocab_size"], (3, length))
    ids[1] = ids[0]
    ids[1, -1] = (ids[0, -1] + 1) % config["vocab_size"]
    output = model(input_ids=ids).last_hidden_state
    cotangent = torch.randn_like(output)
    output.backward(cotangent)
    # transformers 5 drops the prefix that published files have.
    named = [(n if n.startswith("text_model.") else f"text_model.{n}", p) for n, p in model.named_parameters()]
    tensors = {f"weight.{n}": p.detach().half() for n, p in named} | {f"gradient.{n}": p.grad for n, p in named}
    tensors |= {"ids": ids, "output": output.detach(), "cotangent": cotangent}
    for key, value in tensors.items():
        assert torch.isfinite(value).all(), key
    save_file(tensors, Path(__file__).parent / f"clip-{name}.safetensors", metadata={"config": json.dumps(config)})
