"""Writes safetensors.safetensors with the official writer, or checks that the official reader agrees with ours.

    python safetensors_file.py            write the golden file beside this script
    python safetensors_file.py FILE       read FILE (written by sid-lsg) and compare it with the golden tensors
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)

GOLDEN = Path(__file__).with_name("safetensors.safetensors")
METADATA = {"format": "pt"}


def tensors():
    """Every dtype, a scalar, an empty tensor, names that sort by bytes, and the corners of the half formats."""
    corners = torch.tensor([0.0, -0.0, 1.0, -2.5, 65504.0, 6e-8, -3e-5, float("inf"), float("-inf"), 1 / 3])
    # Ties and near ties of both roundings, and what overflows a half.
    wide = torch.tensor([1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-8, 1 + 3 * 2**-8, 65519.0, 65520.0, 2**-25, 3 * 2**-25, 2**-26, 1e-40])
    return {
        "f32": torch.linspace(-1, 1, 6).reshape(2, 3),
        "wide": wide,
        "f16.corners": corners.half(),
        "f16.rounded": wide.half(),
        "bf16.corners": corners.bfloat16(),
        "bf16.rounded": wide.bfloat16(),
        "i64": torch.tensor([[-(2**63), 2**63 - 1, 0]]),
        "i32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        "u8": torch.arange(5, dtype=torch.uint8),
        "f64": torch.tensor([1 / 3, -0.0, 5e-324], dtype=torch.float64),
        "i16": torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
        "i8": torch.tensor([-128, 127, 0], dtype=torch.int8),
        "u64": torch.tensor([2**63 - 1, 0], dtype=torch.uint64),
        "u32": torch.tensor([2**32 - 1], dtype=torch.uint32),
        "u16": torch.tensor([2**16 - 1], dtype=torch.uint16),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(3.25),
        "empty": torch.zeros(0, 4),
        "1": torch.tensor([1], dtype=torch.uint8),
        "ünï \"q\"\n": torch.tensor([2.0]),
        "\U0001f600": torch.tensor([3.0]),
        "\uffee": torch.tensor([4.0]),
    }


if len(sys.argv) == 1:
    save_file(tensors(), GOLDEN, METADATA)
else:
    ours, golden = load_file(sys.argv[1]), tensors()
    assert ours.keys() == golden.keys(), ours.keys() ^ golden.keys()
    for name, tensor in golden.items():
        assert ours[name].dtype == tensor.dtype and torch.equal(ours[name], tensor), name
    print("the official reader agrees")
