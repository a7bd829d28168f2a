"""Losses of the library computed in PyTorch (float64, autograd), for test/losses/golden.test.ts.

`sid`: the generator's loss as the paper writes it, with the weights of the official code, and its
gradients. `invalid` samples are removed from the batch while the divisor stays B, as the official
training loop does.
`fake`: the prediction is turned into noise in PyTorch and compared there, which is what the weight
"eps" promises; for v on VP levels, diffusers' get_velocity and compute_snr are used instead.

Run: python test/golden/losses.py   (writes losses.json beside itself)
"""

import itertools
import json
from pathlib import Path

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

torch.set_num_threads(1)
torch.manual_seed(20240601)
SHAPE = (3, 2, 2, 2)
LEVELS = {
    "vp": ([0.95, 0.6, 0.2], [(1 - 0.95**2) ** 0.5, 0.8, (1 - 0.2**2) ** 0.5]),
    "edm": ([1.0, 1.0, 1.0], [0.1, 1.5, 12.0]),
    "flow": ([0.9, 0.5, 0.15], [0.1, 0.5, 0.85]),
}


def draw():
    """Normal numbers that float32 holds exactly."""
    return torch.randn(SHAPE).double()


def level_of(name):
    a, s = LEVELS[name]
    return (torch.tensor(x, dtype=torch.float64).view(-1, 1, 1, 1) for x in (a, s))


def flat(x):
    """Ten digits: more than float32 holds."""
    return [float(f"{value:.10g}") for value in x.detach().flatten().tolist()]


def sid_weight(kind, x, teacher, a, s):
    if kind == "l1":
        return 1 / (x - teacher).abs().mean(dim=(1, 2, 3), keepdim=True).clip(min=1e-5)
    if kind == "snr":
        return a**2 / s**2
    if kind == "one-minus-sigma":
        return 1 - s / (a + s)
    return torch.ones_like(a)


sid_inputs = {name: draw() for name in ("generated", "teacher", "fake")}
sid_cases = []
choices = itertools.product(["l1", "none", "snr", "one-minus-sigma"], [0, 0.5, 1, 1.2], ["sum", "mean"], [None, 1])
for weight, alpha, reduction, invalid in choices:
    x, teacher, fake = (sid_inputs[n].clone().requires_grad_() for n in ("generated", "teacher", "fake"))
    a, s = level_of("flow")
    keep = [i for i in range(SHAPE[0]) if i != invalid]
    with torch.no_grad():
        w = sid_weight(weight, x, teacher, a, s)
    delta = teacher - fake
    terms = (w * delta * ((teacher - x) - alpha * delta))[keep]
    loss = (terms.sum() if reduction == "sum" else terms.mean(dim=(1, 2, 3)).sum()) / SHAPE[0]
    gradients = torch.autograd.grad(loss, (x, teacher, fake))
    sid_cases.append(
        {
            "options": {"weight": weight, "alpha": alpha, "reduction": reduction},
            "invalid": invalid,
            "value": loss.item(),
            "gradients": dict(zip(("generated", "teacher", "fake"), map(flat, gradients))),
        }
    )


def to_noise(kind, p, xt, a, s):
    if kind == "eps":
        return p
    if kind == "x0":
        return (xt - a * p) / s
    if kind == "v":
        return (a * p + s * xt) / (a**2 + s**2)
    if kind == "score":
        return -s * p
    return (xt + a * p) / (a + s)


def official_v(p, x, noise, a, s):
    """(v − target)² · SNR/(SNR + 1), with diffusers' functions and a table of just these levels."""
    scheduler = DDPMScheduler(num_train_timesteps=SHAPE[0])
    scheduler.alphas_cumprod = a.flatten() ** 2
    t = torch.arange(SHAPE[0])
    snr = compute_snr(scheduler, t).double().view(-1, 1, 1, 1)
    return (p - scheduler.get_velocity(x, noise, t)) ** 2 * snr / (snr + 1)


fake_inputs = {name: draw() for name in ("prediction", "generated", "noise")}
fake_cases = []
for name, kind, reduction in itertools.product(LEVELS, ["eps", "x0", "v", "score", "flow"], ["sum", "mean"]):
    p = fake_inputs["prediction"].clone().requires_grad_()
    x, noise = fake_inputs["generated"], fake_inputs["noise"]
    a, s = level_of(name)
    if kind == "v" and name == "vp":
        terms = official_v(p, x, noise, a, s)
    else:
        terms = (to_noise(kind, p, a * x + s * noise, a, s) - noise) ** 2
    loss = (terms.sum() if reduction == "sum" else terms.mean(dim=(1, 2, 3)).sum()) / SHAPE[0]
    (gradient,) = torch.autograd.grad(loss, p)
    fake_cases.append(
        {"level": name, "predicts": kind, "reduction": reduction, "value": loss.item(), "gradient": flat(gradient)}
    )

golden = {
    "shape": SHAPE,
    "levels": {name: {"alpha": a, "sigma": s} for name, (a, s) in LEVELS.items()},
    "sid": {"level": "flow", "inputs": {k: flat(v) for k, v in sid_inputs.items()}, "cases": sid_cases},
    "fake": {"inputs": {k: flat(v) for k, v in fake_inputs.items()}, "cases": fake_cases},
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
