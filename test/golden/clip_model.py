"""Golden vectors of whole CLIPs with small random weights: transformers' CLIPModel with its PIL image processor, and
open_clip's CLIP and CustomTextCLIP with open_clip's evaluation transform.

Run: python test/golden/clip_model.py (torch 2.15, torchvision 0.29, transformers 5.24, open_clip_torch 3.3, Pillow 12.2: from
13 on, a picture that shrinks much more in height than in width is resized in height first, which rounds other bytes).
Writes clip-model-NAME.safetensors beside itself: weights under the names and in the layout of the library that made them,
pictures as bytes, what preprocessing makes of them, token ids, normalised embeddings, logits; the configurations are in
the metadata. Also clip-model-open-gelu.bin, the same weights as torch.save writes them, and clip-model-parameters.json: what the real configurations of both libraries come to.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

torch.set_num_threads(1)
HERE = Path(__file__).parent
VOCABULARY, LENGTH, END = 13, 7, 12

# Beginning, words, end, padding; the last fills all positions. The end is the highest id.
IDS = torch.tensor([[11, 3, 7, 12, 12, 12, 12], [11, 12, 0, 0, 0, 0, 0], [11, 1, 2, 3, 4, 5, 12]])
# Pictures of these heights and widths: odd margins of both parities, larger and smaller than the tower's image.
SHAPES = [(14, 14), (21, 17), (17, 21), (40, 27), (9, 31), (14, 16), (15, 19), (13, 18), (64, 9)]


def pictures(seed):
    """Smooth colours with noise and hard edges, so that bicubic resizing overshoots and clamps."""
    rng = np.random.default_rng(seed)
    for height, width in SHAPES:
        y, x = np.mgrid[0:height, 0:width]
        wave = np.stack([np.sin(x / 3), np.cos(y / 4), np.sin((x + y) / 5)], -1)
        picture = 127 + 90 * wave + rng.normal(0, 40, (height, width, 3))
        picture[height // 3 : height // 2, width // 4 : width // 2] = rng.choice([0, 255], 3)
        yield np.clip(picture, 0, 255).astype(np.uint8)


def randomised(model):
    """Scales and shifts off their trivial start; float16 values, so that the file stays small."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name != "logit_scale":
                parameter.copy_((parameter + 0.3 * torch.randn_like(parameter)).half().float())
    return model.eval()


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def save(name, model, pixels, image, text, configs):
    tensors = {f"weight.{n}": p.detach().half() if n != "logit_scale" else p.detach() for n, p in model.named_parameters()}
    for i, (picture, pixel) in enumerate(pixels):
        tensors |= {f"picture.{i}": torch.from_numpy(picture), f"pixels.{i}": pixel.permute(1, 2, 0).contiguous()}
    logits = model.logit_scale.exp() * image @ text.T
    tensors |= {"ids": IDS, "image": image, "text": text, "logits": logits.detach()}
    for key, value in tensors.items():
        assert torch.isfinite(value.float()).all(), key
    save_file(tensors, HERE / f"clip-model-{name}.safetensors", metadata={k: json.dumps(v) for k, v in configs.items()})


TRANSFORMERS = {
    # As openai/clip-vit-base-patch32 says it: the end is 2, which means the highest id.
    "quick-gelu": dict(
        act="quick_gelu", end=2, processor=dict(size=14, crop_size=14), vision=dict(patch_size=4, image_size=14)
    ),
    "gelu": dict(
        act="gelu",
        end=END,
        processor=dict(size={"shortest_edge": 16}, crop_size={"height": 12, "width": 12}, image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]),
        vision=dict(patch_size=3, image_size=12, num_hidden_layers=3, layer_norm_eps=1e-3),
    ),
}

for seed, (name, case) in enumerate(TRANSFORMERS.items()):
    torch.manual_seed(seed)
    shared = dict(num_attention_heads=2, num_hidden_layers=2, hidden_act=case["act"])
    text = dict(shared, vocab_size=VOCABULARY, hidden_size=8, intermediate_size=20, max_position_embeddings=LENGTH, eos_token_id=case["end"], bos_token_id=11, pad_token_id=0)
    vision = shared | dict(hidden_size=12, intermediate_size=28) | case["vision"]
    config = dict(model_type="clip", projection_dim=6, text_config=text, vision_config=vision, transformers_version="4.40.0")
    model = randomised(CLIPModel(CLIPConfig(projection_dim=6, text_config=text, vision_config=vision)))
    processor = CLIPImageProcessorPil(**case["processor"])
    made = [(p, processor(Image.fromarray(p), return_tensors="pt").pixel_values[0]) for p in pictures(seed)]
    with torch.no_grad():
        out = model(input_ids=IDS, pixel_values=torch.stack([x for _, x in made]))
    wanted = dict(config=config, preprocessor=case["processor"])
    save(name, model, made, out.image_embeds, out.text_embeds, wanted)
    assert torch.allclose(out.logits_per_image, model.logit_scale.exp() * out.image_embeds @ out.text_embeds.T, atol=1e-5)

OPEN_CLIP = {
    "open-gelu": dict(
        model=dict(
            embed_dim=6,
            vision_cfg=dict(image_size=14, layers=2, width=12, head_width=4, mlp_ratio=2.4, patch_size=4),
            text_cfg=dict(context_length=LENGTH, vocab_size=VOCABULARY, width=8, heads=2, layers=2),
        ),
        preprocess={},
    ),
    # The text tower apart, under `text.`, and the edges squashed.
    "open-quick-gelu": dict(
        model=dict(
            embed_dim=6,
            quick_gelu=True,
            custom_text=True,
            vision_cfg=dict(image_size=12, layers=3, width=12, head_width=6, patch_size=4),
            text_cfg=dict(context_length=LENGTH, vocab_size=VOCABULARY, width=8, heads=4, layers=2, pool_type="eos", eos_id=END),
        ),
        preprocess=dict(size=12, mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.4], interpolation="bicubic", resize_mode="squash"),
    ),
}

for seed, (name, case) in enumerate(OPEN_CLIP.items(), start=10):
    torch.manual_seed(seed)
    settings = {k: v for k, v in case["model"].items() if k != "custom_text"}
    kind = open_clip.CustomTextCLIP if case["model"].get("custom_text") else open_clip.CLIP
    model = randomised(kind(**settings))
    size = case["model"]["vision_cfg"]["image_size"]
    transform = image_transform_v2(PreprocessCfg(**dict(dict(size=size), **case["preprocess"])), is_train=False)
    made = [(p, transform(Image.fromarray(p))) for p in pictures(seed)]
    with torch.no_grad():
        image = model.encode_image(torch.stack([x for _, x in made]), normalize=True)
        text = model.encode_text(IDS, normalize=True)
    if name == "open-gelu":
        torch.save({n: p.detach().half() for n, p in model.named_parameters()}, HERE / "clip-model-open-gelu.bin")
    config = dict(model_cfg=case["model"], preprocess_cfg=case["preprocess"])
    save(name, model, made, image, text, dict(config=config))


def digest(model):
    named = [(n, tuple(p.shape)) for n, p in model.named_parameters()]
    lines = "\n".join(sorted(f"{n} {','.join(map(str, shape))}" for n, shape in named))
    return dict(
        tensors=len(named),
        parameters=sum(p.numel() for p in model.parameters()),
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
    )


parameters = {"transformers": {}, "open_clip": {}}
PUBLISHED = {
    "openai/clip-vit-base-patch32": {},
    "openai/clip-vit-base-patch16": dict(vision_config=dict(patch_size=16)),
    "openai/clip-vit-large-patch14": dict(
        projection_dim=768,
        text_config=dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, projection_dim=768),
        vision_config=dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=24, patch_size=14, projection_dim=768),
    ),
    # transformers' conversion of OpenCLIP ViT-bigG-14.
    "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k": dict(
        projection_dim=1280,
        text_config=dict(hidden_act="gelu", hidden_size=1280, intermediate_size=5120, num_attention_heads=20, num_hidden_layers=32),
        vision_config=dict(hidden_act="gelu", hidden_size=1664, intermediate_size=8192, num_attention_heads=16, num_hidden_layers=48, patch_size=14),
    ),
}
with torch.device("meta"):
    for name, config in PUBLISHED.items():
        parameters["transformers"][name] = dict(config=config, **digest(CLIPModel(CLIPConfig(**config))))
for name in ["ViT-B-32", "ViT-B-32-quickgelu", "ViT-L-14-336", "ViT-H-14", "ViT-g-14", "ViT-bigG-14"]:
    config = open_clip.get_model_config(name)
    with torch.device("meta"):
        parameters["open_clip"][name] = dict(config=config, **digest(open_clip.CLIP(**config)))
(HERE / "clip-model-parameters.json").write_text(json.dumps(parameters, indent=1) + "\n")
