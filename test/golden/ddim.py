"""Trajectories of diffusers' DDIMScheduler (eta = 0) on an exact Gaussian-mixture model.

Writes ddim.json beside this file: for each case the options, the starting noise and every state that
the network was shown, and the final sample. Run: python test/golden/ddim.py
"""

import json
from pathlib import Path

import torch
from diffusers import DDIMScheduler

torch.set_num_threads(1)

WEIGHTS = [0.3, 0.5, 0.2]
MEANS = [[-1.0, 0.5], [0.8, -0.2], [0.3, 1.5]]
VARIANCES = [0.05, 0.2, 0.1]
BATCH = 4
# Conditions: one component for each sample.
COMPONENTS = [0, 1, 2, 1]


def predictions(x, alpha, sigma, weights):
    """Exact x0 of the mixture with component weights [B, K], float64."""
    mean = torch.tensor(MEANS, dtype=torch.float64)
    variance = torch.tensor(VARIANCES, dtype=torch.float64)
    total = alpha**2 * variance + sigma**2
    offset = x[:, None, :] - alpha * mean
    log_density = -0.5 * (offset**2).sum(-1) / total - 0.5 * x.shape[1] * total.log()
    r = torch.softmax(weights.log() + log_density, dim=1)
    each = mean + (alpha * variance / total)[:, None] * offset
    return (r[:, :, None] * each).sum(1)


def run(config, steps, kappa, seed):
    scheduler = DDIMScheduler(clip_sample=False, timestep_spacing="leading", **config)
    scheduler.set_timesteps(steps)
    noise = torch.randn(BATCH, 2, dtype=torch.float32, generator=torch.Generator().manual_seed(seed))
    cond = torch.nn.functional.one_hot(torch.tensor(COMPONENTS), len(WEIGHTS)).double()
    marginal = torch.tensor([WEIGHTS] * BATCH, dtype=torch.float64)
    x = noise.double()
    states = []
    for t in scheduler.timesteps:
        states.append(x.flatten().tolist())
        alpha = scheduler.alphas_cumprod[t].double().sqrt()
        sigma = (1 - scheduler.alphas_cumprod[t].double()).sqrt()

        def predict(weights):
            x0 = predictions(x, alpha, sigma, weights)
            eps = (x - alpha * x0) / sigma
            return {"epsilon": eps, "sample": x0, "v_prediction": alpha * eps - sigma * x0}[config["prediction_type"]]

        guided = predict(cond) if kappa == 1 else predict(marginal) + kappa * (predict(cond) - predict(marginal))
        x = scheduler.step(guided, t, x, eta=0.0).prev_sample
    return {
        "config": config,
        "steps": steps,
        "guidanceScale": kappa,
        "noise": noise.flatten().tolist(),
        "timesteps": scheduler.timesteps.tolist(),
        "states": [[round(v, 7) for v in s] for s in states],
        "sample": x.flatten().tolist(),
    }


sd = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
ddpm = {"num_train_timesteps": 100, "beta_schedule": "linear", "beta_start": 0.001, "beta_end": 0.2}
cases = [
    run({**sd, "prediction_type": "epsilon", "steps_offset": 1, "set_alpha_to_one": False}, 10, 1.0, 0),
    run({**sd, "prediction_type": "v_prediction", "steps_offset": 1, "set_alpha_to_one": False}, 7, 2.0, 1),
    run({**sd, "prediction_type": "epsilon", "steps_offset": 0, "set_alpha_to_one": True}, 12, 1.5, 2),
    run({**ddpm, "prediction_type": "sample", "steps_offset": 0, "set_alpha_to_one": True}, 7, 1.0, 3),
    run({**ddpm, "prediction_type": "v_prediction", "steps_offset": 9, "set_alpha_to_one": False}, 15, 3.0, 4),
]
law = {"weights": WEIGHTS, "means": MEANS, "variances": VARIANCES, "components": COMPONENTS}
Path(__file__).with_suffix(".json").write_text(json.dumps({"law": law, "cases": cases}))
