"""Timesteps and trajectories of diffusers' DDIMScheduler. Run: python test/golden/ddim.py

Writes beside itself:
ddim.json             on an exact Gaussian-mixture model: for each case the options, the starting noise and every
                      state that the network was shown, and the final sample; and for every number of steps and every
                      spacing the beginning of the SHA-256 of the timesteps, as decimals between commas
ddim-unet.safetensors the same of the U-Net whose weights are in unet-heads-per-level.safetensors
"""

import hashlib
import json
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import save_file

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
    config = {"clip_sample": False, **config}
    scheduler = DDIMScheduler.from_config(config)
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
sd_end = {"steps_offset": 1, "set_alpha_to_one": False}
zero_snr = {**sd, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
cases = [
    run({**sd, "prediction_type": "epsilon", **sd_end}, 10, 1.0, 0),
    run({**sd, "prediction_type": "v_prediction", **sd_end}, 7, 2.0, 1),
    run({**sd, "prediction_type": "epsilon", "steps_offset": 0, "set_alpha_to_one": True}, 12, 1.5, 2),
    run({**ddpm, "prediction_type": "sample", "steps_offset": 0, "set_alpha_to_one": True}, 7, 1.0, 3),
    run({**ddpm, "prediction_type": "v_prediction", "steps_offset": 9, "set_alpha_to_one": False}, 15, 3.0, 4),
    run({**sd, "prediction_type": "epsilon", "timestep_spacing": "linspace"}, 9, 1.5, 5),
    run({**zero_snr, "timestep_spacing": "trailing", "set_alpha_to_one": False}, 11, 1.5, 6),
    run({**ddpm, "prediction_type": "epsilon", "clip_sample": True, "clip_sample_range": 0.9}, 10, 1.0, 7),
    run({**ddpm, "prediction_type": "sample", "clip_sample": True, "timestep_spacing": "trailing"}, 7, 3.0, 8),
]


law = {"weights": WEIGHTS, "means": MEANS, "variances": VARIANCES, "components": COMPONENTS}


def digests(**config):
    """Of the timesteps for 1, 2, ... steps."""
    scheduler = DDIMScheduler(**config)

    def digest(steps):
        scheduler.set_timesteps(steps)
        # Where NumPy's arange overshoots, a timestep -1 follows, which no schedule has.
        text = ",".join(str(t) for t in scheduler.timesteps.tolist() if t >= 0)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    return [digest(steps) for steps in range(1, config["num_train_timesteps"] + 1)]


timesteps = [
    {"numTimesteps": total, "spacing": spacing, "digests": digests(num_train_timesteps=total, timestep_spacing=spacing)}
    for total in [1000, 99]
    for spacing in ["leading", "trailing", "linspace"]
]
contents = {"law": law, "timesteps": timesteps, "cases": cases}
Path(__file__).with_suffix(".json").write_text(json.dumps(contents))

# name: (scheduler config, steps, guidance, eta)
UNET_CASES = {
    "eps-1.5": ({**sd, **sd_end}, 10, 1.5, 0.0),
    "eps-7.5": ({**sd, **sd_end}, 10, 7.5, 0.0),
    "eps-7.5-linspace": ({**sd, **sd_end, "timestep_spacing": "linspace"}, 9, 7.5, 0.0),
    "v-1.5-trailing": ({**sd, **sd_end, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, 9, 1.5, 0.0),
    "v-7.5": ({**sd, **sd_end, "prediction_type": "v_prediction"}, 10, 7.5, 0.0),
    "v-1.5-zero-snr": ({**zero_snr, "timestep_spacing": "trailing", **sd_end}, 10, 1.5, 0.0),
    "v-7.5-zero-snr": ({**zero_snr, "timestep_spacing": "trailing"}, 10, 7.5, 0.0),
    "eps-1.5-eta-1": ({**sd, **sd_end}, 10, 1.5, 1.0),
    "v-1.5-eta-0.4": ({**zero_snr, "timestep_spacing": "linspace"}, 7, 1.5, 0.4),
}


def unet_cases():
    with safe_open(Path(__file__).with_name("unet-heads-per-level.safetensors"), "pt") as file:
        unet = UNet2DConditionModel(**json.loads(file.metadata()["config"]))
        weights = {k: file.get_tensor(f"weight.{k}").float() for k in unet.state_dict()}
    unet.load_state_dict(weights)
    g = torch.Generator().manual_seed(9)
    noise, cond = torch.randn(2, 3, 4, 6, generator=g), torch.randn(2, 5, 6, generator=g)
    uncond = torch.randn(1, 5, 6, generator=g)
    step_noises = torch.randn(10, 2, 3, 4, 6, generator=g)
    nhwc = lambda a: a.permute(*range(a.ndim - 3), -2, -1, -3).contiguous()
    tensors = {"noise": nhwc(noise), "cond": cond, "uncond": uncond, "step_noises": nhwc(step_noises)}
    for name, (config, steps, kappa, eta) in UNET_CASES.items():
        scheduler = DDIMScheduler.from_config({"clip_sample": False, **config})
        scheduler.set_timesteps(steps)
        x, states = noise, []
        for i, t in enumerate(scheduler.timesteps):
            with torch.no_grad():
                blank = unet(x, t, uncond.repeat(2, 1, 1)).sample
                guided = blank + kappa * (unet(x, t, cond).sample - blank)
            x = scheduler.step(guided, t, x, eta=eta, variance_noise=step_noises[i] if eta > 0 else None).prev_sample
            states.append(x)
        tensors[name] = nhwc(torch.stack(states))
        assert torch.isfinite(tensors[name]).all(), name
    named = {
        name: {"config": {"clip_sample": False, **config}, "steps": steps, "guidanceScale": kappa, "eta": eta}
        for name, (config, steps, kappa, eta) in UNET_CASES.items()
    }
    metadata = {"cases": json.dumps(named)}
    save_file(tensors, Path(__file__).with_name("ddim-unet.safetensors"), metadata=metadata)


unet_cases()
