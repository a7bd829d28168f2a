"""What diffusers' scheduler classes make of a config, and what StableDiffusionPipeline repairs in it.

For each class whose forward process is DDPM's: ᾱ of its own defaults, of Stable Diffusion's betas, and with zero terminal
SNR where it knows the key; then `clip_sample` and `steps_offset` as a pipeline leaves them, null where it has no such key.

Run: python test/golden/scheduler_classes.py (torch 2.15, diffusers 0.42, torchsde 0.2, scipy). Writes scheduler-classes.json beside itself.
"""

import inspect
import json
import warnings
from pathlib import Path

import diffusers
import torch
from diffusers import StableDiffusionPipeline

warnings.simplefilter("ignore")
diffusers.logging.set_verbosity_error()
torch.set_num_threads(1)

CLASSES = """DDIMInverseScheduler DDIMParallelScheduler DDIMScheduler DDPMParallelScheduler DDPMScheduler DEISMultistepScheduler
DPMSolverMultistepInverseScheduler DPMSolverMultistepScheduler DPMSolverSDEScheduler DPMSolverSinglestepScheduler
EulerAncestralDiscreteScheduler EulerDiscreteScheduler HeunDiscreteScheduler KDPM2AncestralDiscreteScheduler
KDPM2DiscreteScheduler LCMScheduler LMSDiscreteScheduler PNDMScheduler RePaintScheduler SASolverScheduler TCDScheduler
UnCLIPScheduler UniPCMultistepScheduler""".split()
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
INDICES = [0, 1, 250, 500, 625, 998, 999]


def made(name, config):
    return getattr(diffusers, name).from_config(config)


def alphas(name, config):
    return made(name, {"_class_name": name, **config}).alphas_cumprod[INDICES].tolist()


def repaired(name):
    scheduler = made(name, {"_class_name": name})
    pipe = StableDiffusionPipeline(
        vae=None, text_encoder=None, tokenizer=None, unet=None, scheduler=scheduler, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )
    return {key: pipe.scheduler.config.get(key) for key in ["clip_sample", "steps_offset"]}


cases = {}
for name in CLASSES:
    cls = type(made(name, {"_class_name": name}))
    known = inspect.signature(cls.__init__).parameters
    case = {"defaults": alphas(name, {}), "repaired": repaired(name)}
    case["clips"] = known["clip_sample"].default if "clip_sample" in known else False
    if "beta_start" in known:
        case["stableDiffusion"] = alphas(name, SD)
    if "rescale_betas_zero_snr" in known:
        case["zeroTerminalSnr"] = alphas(name, {**SD, "rescale_betas_zero_snr": True})
    cases[name] = case

target = Path(__file__).parent / "scheduler-classes.json"
target.write_text(json.dumps({"indices": INDICES, "stableDiffusion": SD, "classes": cases}) + "\n")
