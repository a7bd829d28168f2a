"""Golden vectors of FID's Inception v3, from pytorch-fid's modules with weights by a formula.

Run: python test/golden/inception.py (torch 2.15, torchvision 0.29, pytorch-fid 0.3, clean-fid 0.1, torch-fidelity 0.4).
Writes beside itself:
inception-parameters.json  names and shapes of pytorch-fid's state dict, as published
inception.safetensors      NAME.features, NAME.logits (without the bias) for the network alone on pictures by a formula,
                           and per protocol, through its resizing: formula weights and pictures are those of test/support/hashed.ts
"""

import json
from pathlib import Path

import numpy as np
import torch
from cleanfid.resize import build_resizer
from pytorch_fid import inception
from safetensors.numpy import save_file
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

HERE = Path(__file__).parent


def uniform(size: int, seed: int) -> np.ndarray:
    """size numbers in [0, 1), by a hash of their index; `hashed` of test/support/hashed.ts."""
    x = np.arange(size, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return (x ^ (x >> np.uint32(16))).astype(np.float64) / 2**32


def weights(state: dict) -> dict:
    """Convolutions that keep the variance, normalisations off their trivial start."""
    made = {}
    for seed, name in enumerate(sorted(state)):
        shape = tuple(state[name].shape)
        if name.endswith("num_batches_tracked"):
            made[name] = torch.zeros((), dtype=torch.int64)
            continue
        u = uniform(int(np.prod(shape)), seed)
        if len(shape) > 1:
            values = (2 * u - 1) * np.sqrt(6 / np.prod(shape[1:]))
        elif name.endswith(("running_var", ".weight")):
            values = 0.5 + u
        else:
            values = 0.2 * (2 * u - 1)
        made[name] = torch.from_numpy(values.astype(np.float32).reshape(shape))
    return made


def untrained() -> torch.nn.Module:
    """pytorch-fid's network, whose weights would be downloaded where it loads them."""
    made = []
    load, torch.nn.Module.load_state_dict = torch.nn.Module.load_state_dict, lambda self, _: made.append(self)
    inception.load_state_dict_from_url = lambda *_, **__: {}
    inception.fid_inception_v3()
    torch.nn.Module.load_state_dict = load
    return made[0]


def pictures(shape: list[int], seed: int) -> np.ndarray:
    """Blocks of 10 by 10 pixels in random colours."""
    count, height, width, channels = shape
    coarse = [count, -(-height // 10), -(-width // 10), channels]
    blocks = np.floor(256 * uniform(int(np.prod(coarse)), seed)).astype(np.uint8).reshape(coarse)
    return np.repeat(np.repeat(blocks, 10, 1), 10, 2)[:, :height, :width]


def run(model: torch.nn.Module, x: torch.Tensor) -> dict:
    """x is standardised, [B, 3, H, W]."""
    with torch.no_grad():
        kept = {}
        handle = model.avgpool.register_forward_hook(lambda _, __, out: kept.update(features=out.flatten(1)))
        logits = model(x) - model.fc.bias
        handle.remove()
    return {"features": kept["features"].numpy(), "logits": logits.numpy()}


def planes(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.astype(np.float32).transpose(0, 3, 1, 2)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    model = untrained()
    state = model.state_dict()
    model.load_state_dict(weights(state))
    model.eval()
    names = sorted(f"{n} {','.join(map(str, p.shape))}" for n, p in state.items())
    (HERE / "inception-parameters.json").write_text(json.dumps(names, indent=0) + "\n")

    tensors = {}
    note = lambda name, results: tensors.update({f"{name}.{k}": v for k, v in results.items()})
    # The last feature maps have 2 by 3 pixels: windows at borders count.
    note("107x139", run(model, planes(pictures([2, 107, 139, 3], 1001)) / 127.5 - 1))
    small = pictures([1, 40, 56, 3], 1002)
    # pytorch-fid's own module, resizing and scaling included.
    inception.fid_inception_v3 = lambda: model
    whole = inception.InceptionV3([3])
    with torch.no_grad():
        tensors["pytorch-fid.features"] = whole(planes(small) / 255)[0].flatten(1).numpy()
    clean = build_resizer("clean")(small[0])[None]
    note("clean-fid", run(model, (planes(clean) - 128) / 128))
    old = interpolate_bilinear_2d_like_tensorflow1x(planes(small), size=(299, 299), align_corners=False)
    note("tensorflow", run(model, (old - 128) / 128))
    file = HERE / "inception.safetensors"
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, file)
    file.chmod(0o644)
    for name, value in tensors.items():
        print(name, value.shape, np.abs(value).mean(), value.std(1).mean(), value.std(0).mean())
