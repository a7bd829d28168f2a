"""Golden vectors of the resizing in front of feature networks, from those who made it.

Run: python test/golden/resize.py (Pillow 13.0, torch 2.15, clean-fid 0.1, torch-fidelity 0.4). Writes beside itself
resize.safetensors: per case CASE.input (bytes, [H, W, 3]), CASE.bytes.FILTER (Pillow on bytes), CASE.floats.STYLE, where
pillow-* is clean-fid's resizer, pytorch is clean-fid's too, tensorflow is torch-fidelity's copy of TensorFlow 1.
"""

from pathlib import Path

import numpy as np
import torch
from cleanfid.resize import make_resizer
from PIL import Image
from safetensors.numpy import save_file
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

# name: ([height, width] before, after)
CASES = {
    "larger": ([5, 7], [9, 12]),
    "smaller": ([31, 40], [13, 9]),
    "both": ([6, 37], [11, 10]),
    "same-height": ([8, 21], [8, 16]),
    "same": ([4, 6], [4, 6]),
    "to-a-pixel": ([9, 17], [1, 1]),
    "from-a-pixel": ([1, 1], [3, 2]),
    "twice": ([4, 4], [8, 8]),
    "wide-512": ([1, 512], [1, 299]),
    "tall-1024": ([1024, 1], [299, 1]),
    "wide-24": ([1, 24], [1, 299]),
}
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def results(picture: np.ndarray, size: list[int]) -> dict:
    across = (size[1], size[0])
    found = {f"bytes.{n}": np.asarray(Image.fromarray(picture).resize(across, f)) for n, f in FILTERS.items()}
    for name in FILTERS:
        found[f"floats.pillow-{name}"] = make_resizer("PIL", False, name, across)(picture)
    found["floats.pytorch"] = make_resizer("PyTorch", False, "bilinear", tuple(size))(picture)
    planes = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
    old = interpolate_bilinear_2d_like_tensorflow1x(planes, size=tuple(size), align_corners=False)
    return found | {"floats.tensorflow": old[0].permute(1, 2, 0).numpy()}


if __name__ == "__main__":
    draw = np.random.default_rng(0)
    tensors = {}
    for name, (before, after) in CASES.items():
        # Noise with many extremes: overshoots are cut somewhere.
        picture = np.clip(draw.integers(-128, 384, [*before, 3]), 0, 255).astype(np.uint8)
        tensors[f"{name}.input"] = picture
        tensors |= {f"{name}.{key}": np.ascontiguousarray(value) for key, value in results(picture, after).items()}
    file = Path(__file__).parent / "resize.safetensors"
    save_file(tensors, file)
    file.chmod(0o644)
