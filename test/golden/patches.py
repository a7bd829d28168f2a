"""Images as patches, for test/models/patches.test.ts: by torch's pixel_unshuffle, its channels put in our order.

Run: python test/golden/patches.py   (torch 2.15; writes patches.json beside itself)
"""

import json
from pathlib import Path

import torch
from torch.nn.functional import pixel_unshuffle

torch.manual_seed(20261129)
cases = []
for b, h, w, c, size in [(2, 4, 6, 3, 2), (1, 6, 3, 2, 3), (2, 2, 3, 1, 1), (1, 4, 4, 5, 4)]:
    images = torch.randint(-99, 100, (b, h, w, c))
    # pixel_unshuffle, NCHW: channel, row, column of a patch. Ours, NHWC: row, column, channel.
    shuffled = pixel_unshuffle(images.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)
    patches = shuffled.unflatten(3, (c, size * size)).transpose(3, 4).flatten(3)
    rows = images.reshape(b, h // size, size, w // size, size, c).permute(0, 1, 3, 2, 4, 5)
    assert torch.equal(patches, rows.reshape(patches.shape))
    cases.append(
        {
            **{"size": size, "shape": list(images.shape), "patchShape": list(patches.shape)},
            **{"images": images.flatten().tolist(), "patches": patches.flatten().tolist()},
        }
    )

path = Path(__file__).parent / "patches.json"
path.write_text(json.dumps({"cases": cases}) + "\n")
print(path, path.stat().st_size)
