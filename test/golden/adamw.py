"""Trajectories of torch.optim.AdamW, of gradient clipping and of diffusers' learning rates, for test/train/adam.test.ts.

Run: python test/golden/adamw.py   (torch 2.15, diffusers 0.42; writes adamw.json beside itself)
"""

import json
from pathlib import Path

import torch
from diffusers.optimization import get_scheduler

torch.manual_seed(20241129)
STEPS = 8
SHAPES = ([2, 1], [3])


def numbers(x):
    return [float(f"{value:.12g}") for value in x.detach().flatten().tolist()]


start = [torch.randn(shape).double() for shape in SHAPES]
gradients = [[(torch.randn(shape) * 3).double() for shape in SHAPES] for _ in range(STEPS)]

cases = []
for name, betas, decay, clip_norm, clip_value, schedule in [
    ("AdamW", (0.9, 0.999), 0.1, None, None, None),
    ("AdamW without a first moment", (0.0, 0.999), 0.1, None, None, None),
    ("clipped by norm", (0.9, 0.999), 0.0, 1.0, None, None),
    ("clipped by value, no first moment", (0.0, 0.9), 0.01, None, 0.5, None),
    ("clipped by value, then by norm", (0.9, 0.95), 0.01, 2.0, 1.0, None),
    ("constant_with_warmup", (0.9, 0.999), 0.01, None, None, ("constant_with_warmup", 3, None)),
    ("cosine", (0.0, 0.999), 0.01, None, None, ("cosine", 2, 7)),
]:
    parameters = [torch.nn.Parameter(x.clone()) for x in start]
    optimizer = torch.optim.AdamW(parameters, lr=0.05, betas=betas, eps=1e-8, weight_decay=decay)
    rates = None
    if schedule:
        kind, warmup, total = schedule
        rates = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=total)
    trajectory, learning_rates = [], []
    for row in gradients:
        for p, g in zip(parameters, row):
            p.grad = g.clone()
        if clip_value is not None:
            torch.nn.utils.clip_grad_value_(parameters, clip_value)
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        learning_rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if rates:
            rates.step()
        trajectory.append([v for p in parameters for v in numbers(p)])
    cases.append(
        dict(
            name=name,
            betas=betas,
            weightDecay=decay,
            clipNorm=clip_norm,
            clipValue=clip_value,
            schedule=schedule and dict(kind=schedule[0], warmupSteps=schedule[1], totalSteps=schedule[2]),
            learningRates=[float(f"{x:.12g}") for x in learning_rates],
            trajectory=trajectory,
        )
    )

golden = dict(
    start=[v for x in start for v in numbers(x)],
    gradients=[[v for x in row for v in numbers(x)] for row in gradients],
    cases=cases,
)
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
