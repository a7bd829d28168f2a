"""Writes numpy/*.npy and *.npz with NumPy, or checks that NumPy reads what sid-lsg wrote.

    python numpy_files.py            write the files into the folder numpy beside this script
    python numpy_files.py FILE       FILE (.npz written by sid-lsg of expected.npz) holds the same arrays
"""

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("numpy")


def arrays():
    """Every type that is read with the ends of its range, a scalar, nothing, a name beyond ASCII."""
    out = {}
    for kind in ["f2", "f4", "f8"]:
        out[kind] = np.array([[0.0, -0.0, 1 / 3], [-2.5, np.inf, 6e-8]], dtype=kind)
    for kind in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]:
        out[kind] = np.array([np.iinfo(kind).min, np.iinfo(kind).max, 1], dtype=kind)
    out["b1"] = np.array([True, False, True])
    out["scalar"] = np.array(3.25)
    out["empty"] = np.zeros((0, 4))
    out["cube"] = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    out["ünï/x"] = np.array([7])
    return out


def pytorch_fid(d=3):
    """The layout of pytorch-fid's and clean-fid's statistics."""
    rows = np.random.default_rng(0).normal(size=(50, d)).astype(np.float32)
    return {"mu": np.mean(rows.astype(np.float64), axis=0), "sigma": np.cov(rows.astype(np.float64), rowvar=False)}


if len(sys.argv) == 1:
    FOLDER.mkdir(exist_ok=True)
    a = arrays()
    np.savez(FOLDER / "expected.npz", **a)
    np.savez_compressed(FOLDER / "compressed.npz", **a, zeros=np.zeros((64, 64)))
    np.savez(FOLDER / "big-endian.npz", **{k: v.astype(v.dtype.newbyteorder(">")) for k, v in a.items()})
    np.savez(FOLDER / "fortran.npz", **{k: np.array(v, order="F") for k, v in a.items()})
    np.savez(FOLDER / "fortran-big-endian.npz", cube=np.asfortranarray(a["cube"].astype(">f4")))
    np.save(FOLDER / "one.npy", a["cube"])
    for version in [(2, 0), (3, 0)]:
        with open(FOLDER / f"version-{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, a["cube"], version=version)
    np.savez_compressed(FOLDER / "statistics.npz", **pytorch_fid())
    np.savez(FOLDER / "statistics-f4.npz", **{k: v.astype(np.float32) for k, v in pytorch_fid().items()})
    bad = {
        "objects": np.array([{"a": 1}], dtype=object),
        "text": np.array(["abc"]),
        "bytes": np.array([b"abc"]),
        "complex": np.array([1j]),
        "dates": np.array(["2020-01-01"], dtype="M8[D]"),
        "long": np.array([1.0], dtype=np.longdouble),
        "fields": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "void": np.zeros(2, dtype="V2"),
    }
    np.savez(FOLDER / "refused.npz", **{"objects": bad["objects"]})
    for name, array in bad.items():
        np.save(FOLDER / f"refused-{name}.npy", array, allow_pickle=True)
else:
    ours, wanted = np.load(sys.argv[1], allow_pickle=False), arrays()
    assert ours.files == list(wanted), ours.files
    for name, array in wanted.items():
        assert ours[name].dtype == array.dtype and ours[name].shape == array.shape, name
        assert ours[name].tobytes() == array.tobytes(), name
    print("NumPy agrees")
