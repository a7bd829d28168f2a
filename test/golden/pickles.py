"""Writes pickles/*.pth with PyTorch, and pickles/expected.safetensors, what is in them, by the official writer.

    python pickles.py            write the files into the folder pickles beside this script
    python pickles.py FOLDER     check that FOLDER/NAME.safetensors (written by sid-lsg) are what PyTorch reads
"""

import pickle
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)

FOLDER = Path(__file__).with_name("pickles")


class Net(torch.nn.Module):
    """Layers and buffers as in any network of images: their names have dots, a count is an int64 scalar."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 2, bias=False)
        self.bn = torch.nn.BatchNorm2d(3)


def dtypes():
    """Every storage that is read, with the ends of its range."""
    corners = torch.tensor([0.0, -0.0, 1.0, -2.5, 65504.0, 6e-8, float("inf"), 1 / 3])
    return OrderedDict(
        f32=corners,
        f16=corners.half(),
        bf16=corners.bfloat16(),
        f64=torch.tensor([1 / 3, 5e-324, -1.5], dtype=torch.float64),
        i64=torch.tensor([-(2**63), 2**63 - 1]),
        i32=torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        i16=torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
        i8=torch.tensor([-128, 127], dtype=torch.int8),
        u8=torch.tensor([0, 255], dtype=torch.uint8),
        bool=torch.tensor([True, False, True]),
        scalar=torch.tensor(3.25),
        empty=torch.zeros(0, 4),
    )


def views():
    """What shares one storage, and in any order of its elements."""
    base = torch.arange(24.0)
    return {
        "whole": base.reshape(2, 3, 4),
        "transposed": base.reshape(4, 6).t(),
        "permuted": base.reshape(2, 3, 4).permute(2, 0, 1),
        "offset": base[5:11],
        "every second": base[1::2],
        "corner": base.reshape(4, 6)[1:3, 2:5],
        "column": base.reshape(4, 6)[:, 3],
        "expanded": base[:3].reshape(3, 1).expand(3, 2),
        "channels last": torch.arange(48.0).reshape(2, 3, 2, 4).to(memory_format=torch.channels_last),
        "halves": base.half()[::3],
    }


def files():
    torch.manual_seed(0)
    net = Net()
    state = net.state_dict()
    unsigned = {name: torch.tensor([2**bits - 1 if bits < 64 else 2**63 - 1, 0], dtype=getattr(torch, name)) for name, bits in [("uint16", 16), ("uint32", 32), ("uint64", 64)]}
    nested = {
        "epoch": 3,
        "lr": 1e-4,
        "note": "ünï",
        "big": 2**70,
        "flags": (True, None, [1, -1]),
        "optimizer": {"state": {0: {"step": torch.tensor(7.0), "exp_avg": torch.ones(2)}}, "param_groups": [{"params": [0]}]},
        "state_dict": state,
    }
    old = {"_use_new_zipfile_serialization": False}
    return {
        "zip": (state, {}),
        "legacy": (state, old),
        "zip-dtypes": (dtypes(), {}),
        "legacy-dtypes": (dtypes(), old),
        "zip-views": (views(), {}),
        "legacy-views": (views(), old),
        "zip-nested": (nested, {}),
        "legacy-nested": (nested, old),
        "zip-parameters": ({name: p for name, p in net.named_parameters()}, {}),
        "zip-protocol-5": (state, {"pickle_protocol": 5}),
        "legacy-protocol-4": (state, {"pickle_protocol": 4, **old}),
        "zip-unsigned": (unsigned, {}),
        "zip-two-sets": ({"ema": {"w": torch.ones(1)}, "net": {"w": torch.zeros(1)}}, {}),
        "zip-list": ([torch.ones(2), {"a": torch.zeros(1)}], {}),
        "zip-tensor": (torch.arange(3), {}),
    }


def code():
    """Pickles that name what no tensor needs."""

    class System:
        def __reduce__(self):
            import os

            return os.system, ("touch hacked",)

    class Evaluated:
        def __reduce__(self):
            return eval, ("1 + 1",)

    return {
        "code-system": {"w": torch.ones(1), "x": System()},
        "code-eval": [Evaluated()],
        "code-module": torch.nn.Linear(1, 1),
        "code-sparse": {"w": torch.eye(2).to_sparse()},
    }


def tensors(value):
    """The tensors in what was saved, by the names that sid-lsg gives them."""
    if isinstance(value, dict) and "state_dict" in value:
        value = value["state_dict"]
    if isinstance(value, torch.Tensor):
        return {"tensor": value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    out = {}
    for name, child in pairs:
        inner = {"": child} if isinstance(child, torch.Tensor) else {f".{k}": v for k, v in tensors(child).items()}
        out.update({f"{name}{k}": v.detach().clone(memory_format=torch.contiguous_format) for k, v in inner.items()})
    return out


def expected():
    return {f"{file}/{name}": t for file, (value, _) in files().items() for name, t in tensors(value).items()}


if len(sys.argv) == 1:
    FOLDER.mkdir(exist_ok=True)
    for name, (value, options) in files().items():
        torch.save(value, FOLDER / f"{name}.pth", **options)
    for name, value in code().items():
        torch.save(value, FOLDER / f"{name}.pth")
        torch.save(value, FOLDER / f"{name}-legacy.pth", _use_new_zipfile_serialization=False)
    with open(FOLDER / "plain.pkl", "wb") as file:
        pickle.dump({"w": [1, 2]}, file, protocol=2)
    torch.jit.script(torch.nn.ReLU()).save(FOLDER / "script.pt")
    save_file(expected(), FOLDER / "expected.safetensors")
else:
    for name, (value, _) in files().items():
        ours = load_file(Path(sys.argv[1]) / f"{name}.safetensors")
        wanted = tensors(torch.load(FOLDER / f"{name}.pth", weights_only=True))
        assert ours.keys() == wanted.keys(), (name, ours.keys() ^ wanted.keys())
        for key, tensor in wanted.items():
            assert ours[key].dtype == tensor.dtype and torch.equal(ours[key], tensor), (name, key)
    print("PyTorch agrees")
