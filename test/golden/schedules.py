"""Tables of diffusers' DDPM schedules, for test/schedules/schedules.node.test.ts.

Each configuration is run twice through diffusers' own code: as it is (float32), and with the name
`torch.float32` bound to float64 inside its module, which shows the same formulas without rounding.

Run: python test/golden/schedules.py   (writes schedules.json beside itself)
"""

import json
import types
from pathlib import Path

import diffusers.schedulers.scheduling_ddpm as ddpm
import torch

torch.set_num_threads(1)

CONFIGS = {
    "DDPM defaults": {},
    "Stable Diffusion 1.5": {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    "Stable Diffusion 2.1, zero terminal SNR": {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
    },
    "linear, 50 steps, zero terminal SNR": {"num_train_timesteps": 50, "beta_end": 0.3, "rescale_betas_zero_snr": True},
    "cosine": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"},
    "cosine, zero terminal SNR": {"beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True},
    "trained betas": {"num_train_timesteps": 5, "trained_betas": [0.1, 0.05, 0.3, 0.2, 0.5]},
}


def tables(config, indices=None):
    scheduler = ddpm.DDPMScheduler(**config)
    n = len(scheduler.betas)
    indices = indices or sorted({*range(0, n, max(1, n // 40)), n - 2, n - 1})
    return {
        "indices": indices,
        "betas": scheduler.betas[indices].tolist(),
        "alphasCumprod": scheduler.alphas_cumprod[indices].tolist(),
    }


plain = {name: tables(config) for name, config in CONFIGS.items()}
ddpm.torch = types.SimpleNamespace(**{**vars(torch), "float32": torch.float64})
exact = {name: tables(config) for name, config in CONFIGS.items()}

cases = [
    {"name": name, "config": config, "float32": plain[name], "float64": exact[name]} for name, config in CONFIGS.items()
]
Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")
