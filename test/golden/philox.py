"""Words of Philox4x32-10 in Python's unbounded integers, for test/core/random.test.ts.

The reference below reproduces the three known answers of Random123 (kat_vectors, philox4x32 10),
whose counters and keys use bits that this library's seeds and positions do not reach; then it
writes answers for seeds and positions that do, across every carry.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
Run: python test/golden/philox.py   (writes philox.json beside itself)
"""

import json
from pathlib import Path

MASK = 2**32 - 1


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & MASK, (p >> 32) ^ c[3] ^ k[1], p & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


KNOWN = [
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([MASK] * 4, [MASK] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
for counter, key, words in KNOWN:
    assert " ".join(f"{word:08x}" for word in philox(counter, key)) == words

seeds = [0, 1, 7, 2**32 - 1, 2**32, 2**53 - 1, 0x1F31D0A4093822]
positions = [0, 1, 2**31, 2**32 - 1, 2**32, 2**53 - 2]
cases = [
    {"seed": s, "position": p, "words": philox([p & MASK, p >> 32, 0, 0], [s & MASK, s >> 32])}
    for s in seeds
    for p in positions
]
Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")
