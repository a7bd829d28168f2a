"""Metrics of features by the packages that everybody quotes, for test/metrics/golden.node.test.ts.

`frechet`: pytorch-fid's calculate_frechet_distance and scipy.linalg.sqrtm; where there are no more vectors than
dimensions, the nuclear norm of the centred features' products, an exact form that needs no root.
`kernel`: torchmetrics' KID on subsets that are written down, with clean-fid's formula on the same ones, and
torchmetrics' poly_mmd on the whole sets.
`neighbours`: prdc. `inception`: torchmetrics' InceptionScore on logits, splits as torch.chunk makes them.
`clip`: the cosines and torchmetrics' figure (the mean of 100 * cos, at least 0).

Run: pip install torch scipy pytorch-fid clean-fid "torchmetrics[image]" prdc
     python test/golden/metrics.py   (writes metrics.json beside itself)
"""

import json
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from cleanfid.fid import kernel_distance
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

torch.set_num_threads(1)
rng = np.random.default_rng(20261129)


def features(count, dimension, scale=1.0, shift=0.0):
    """Correlated, of one sign as after a ReLU, and numbers that float32 and few digits hold exactly."""
    mix = rng.standard_normal((dimension, dimension)) / dimension**0.5
    x = np.maximum(0, rng.standard_normal((count, dimension)) @ mix * scale + shift)
    return np.round(x, 3)


def identity():
    """torchmetrics takes a module in place of a network."""
    network = torch.nn.Identity()
    network.num_features = 1
    return network


def frechet(na, nb, dimension):
    a, b = features(na, dimension), features(nb, dimension, 1.3, 0.2)
    mu_a, mu_b = a.mean(0), b.mean(0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    centred = (a - mu_a) / (na - 1) ** 0.5, (b - mu_b) / (nb - 1) ** 0.5
    nuclear = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    spread = ((mu_a - mu_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b)
    out = {"a": a.ravel().tolist(), "b": b.ravel().tolist(), "dimension": dimension, "nuclear": spread - 2 * nuclear}
    if min(na, nb) > dimension:
        out["fid"] = float(calculate_frechet_distance(mu_a, cov_a, mu_b, cov_b))
        out["scipy"] = float(spread - 2 * np.trace(scipy.linalg.sqrtm(cov_a @ cov_b).real))
        out["mean"], out["covariance"] = mu_a.tolist(), cov_a.ravel().tolist()
    return out


def kernel(count, dimension, subsets, size):
    real, fake = features(count, dimension), features(count + 7, dimension, 1.2, 0.1)
    drawn = []
    permutation = torch.randperm

    def remembered(n, **options):
        drawn.append(permutation(n, **options))
        return drawn[-1]

    torch.manual_seed(3)
    kid = KernelInceptionDistance(feature=identity(), subsets=subsets, subset_size=size)
    kid.real_features, kid.fake_features = [torch.from_numpy(real)], [torch.from_numpy(fake)]
    torch.randperm = remembered
    mean, deviation = kid.compute()
    torch.randperm = permutation
    chosen = [d[:size].tolist() for d in drawn]
    pairs = list(zip(chosen[0::2], chosen[1::2]))
    clean = [kernel_distance(real[r], fake[f], num_subsets=1, max_subset_size=size) for r, f in pairs]
    product = lambda x, y: (torch.from_numpy(x @ y.T) / dimension + 1) ** 3
    assert abs(np.mean(clean) - mean) < 1e-12
    smaller = fake[:count]
    return {
        "real": real.ravel().tolist(),
        "fake": fake.ravel().tolist(),
        "dimension": dimension,
        "pairs": pairs,
        "mean": mean.item(),
        "deviation": deviation.item(),
        "clean": [float(x) for x in clean],
        "whole": poly_mmd(torch.from_numpy(real), torch.from_numpy(smaller)).item(),
        "unequal": (
            lambda xx, yy, xy: (
                (xx.sum() - xx.trace()) / (len(real) * (len(real) - 1))
                + (yy.sum() - yy.trace()) / (len(fake) * (len(fake) - 1))
                - 2 * xy.mean()
            ).item()
        )(product(real, real), product(fake, fake), product(real, fake)),
    }


def neighbours(real_count, fake_count, dimension, k, same=0):
    real, fake = features(real_count, dimension), features(fake_count, dimension, 1.1, 0.05)
    fake[:same] = real[:same]
    values = compute_prdc(real_features=real, fake_features=fake, nearest_k=k)
    values = {name: float(value) for name, value in values.items()}
    return {"real": real.ravel().tolist(), "fake": fake.ravel().tolist(), "dimension": dimension, "k": k, **values}


def inception(count, classes, splits):
    logits = np.round(2 * rng.standard_normal((count, classes)), 3)
    score = InceptionScore(feature=identity(), splits=splits)
    score.features = [torch.from_numpy(logits)]
    permutation = torch.randperm
    torch.randperm = torch.arange
    mean, deviation = score.compute()
    torch.randperm = permutation
    return {
        "logits": logits.ravel().tolist(),
        "classes": classes,
        "splits": splits,
        "mean": mean.item(),
        "deviation": deviation.item(),
    }


def clip(count, dimension):
    images = np.round(rng.standard_normal((count, dimension)), 3)
    texts = np.round(0.2 * images + rng.standard_normal((count, dimension)), 3)
    a = torch.nn.functional.normalize(torch.from_numpy(images), dim=-1)
    b = torch.nn.functional.normalize(torch.from_numpy(texts), dim=-1)
    products = a @ b.T
    cosines = products.diagonal()
    return {
        "images": images.ravel().tolist(),
        "texts": texts.ravel().tolist(),
        "dimension": dimension,
        "cosine": cosines.mean().item(),
        "clipped": cosines.clamp(min=0).mean().item(),
        "torchmetrics": torch.clamp((100 * cosines).mean(), min=0).item(),
        "ranks": (products > cosines[:, None]).sum(1).tolist(),
    }


out = {
    "frechet": [frechet(60, 50, 6), frechet(90, 130, 24), frechet(9, 40, 12), frechet(7, 8, 20)],
    "kernel": [kernel(40, 5, 4, 20), kernel(60, 16, 3, 60)],
    "neighbours": [neighbours(50, 40, 4, 3), neighbours(60, 80, 8, 5, same=12), neighbours(30, 30, 2, 1)],
    "inception": [inception(60, 10, 6), inception(43, 7, 4), inception(20, 5, 2)],
    "clip": [clip(30, 8), clip(12, 40)],
}
Path(__file__).with_name("metrics.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
