"""Recorded runs of SiD-LSG's training loop on small random networks, written afresh in PyTorch.

Run: python test/golden/parity.py [FOLDER [NAME ...]] (torch 2.15, diffusers 0.42). Without arguments
it writes the committed case, v-prediction, beside itself; with a folder, all or the named cases there.
The layout of a case folder is that of test/golden/sd15-lsg1.5; `npm run -s replay -- DIR` replays one.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors.torch import save_file

CROSS_DOWN, DOWN, CROSS_UP, UP = "CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"
SCHEDULER = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                 prediction_type="epsilon", clip_sample=False)
SETTINGS = dict(alpha=1.0, cfg_train_fake=1.0, cfg_eval_fake=1.0, cfg_eval_real=1.0, tmin=20, tmax=980,
                init_timestep=625, lr=1e-4, glr=1e-4, betas=[0.0, 0.999], eps=1e-8, batch=2, accumulation_rounds=1,
                loss_scaling=1.0, loss_scaling_G=1.0, ema_halflife_nimg=500, ema_rampup_ratio=0.05)

# name: (U-Net config, changes of the scheduler, changes of the settings, latent size, tokens, iterations)
CASES = {
    "v-prediction": (
        dict(block_out_channels=[4, 4, 8], layers_per_block=1, attention_head_dim=[1, 2, 4], norm_num_groups=2,
             down_block_types=[CROSS_DOWN, CROSS_DOWN, DOWN], up_block_types=[UP, CROSS_UP, CROSS_UP],
             cross_attention_dim=5, use_linear_projection=True),
        dict(prediction_type="v_prediction"),
        dict(alpha=1.2, cfg_train_fake=1.0, cfg_eval_fake=1.5, cfg_eval_real=0.0, accumulation_rounds=2,
             loss_scaling=100.0, loss_scaling_G=10.0, glr=5e-5),
        8, 3, 2,
    ),
    "zero-cfg": (
        dict(block_out_channels=[16, 32], layers_per_block=2, attention_head_dim=2, norm_num_groups=8,
             down_block_types=[CROSS_DOWN, CROSS_DOWN], up_block_types=[CROSS_UP, CROSS_UP], cross_attention_dim=8),
        dict(),
        dict(alpha=0.5, cfg_train_fake=0.0, cfg_eval_fake=0.0, betas=[0.5, 0.99], eps=1e-6, batch=3,
             init_timestep=800, ema_halflife_nimg=10, ema_rampup_ratio=None),
        8, 4, 3,
    ),
    "zero-terminal-snr": (
        dict(block_out_channels=[8, 16], layers_per_block=1, attention_head_dim=4, norm_num_groups=4,
             down_block_types=[DOWN, CROSS_DOWN], up_block_types=[CROSS_UP, UP], cross_attention_dim=8),
        dict(prediction_type="v_prediction", beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
             rescale_betas_zero_snr=True),
        dict(cfg_train_fake=3.0, cfg_eval_fake=3.0, cfg_eval_real=3.0, accumulation_rounds=3, batch=1, tmax=1000,
             init_timestep=999),
        16, 4, 2,
    ),
}


class Run:
    def __init__(self, name):
        config, scheduler, settings, self.size, tokens, self.iterations = CASES[name]
        torch.manual_seed(sum(map(ord, name)))
        self.config, self.scheduler, self.h = config, {**SCHEDULER, **scheduler}, {**SETTINGS, **settings}
        self.alpha_bar = DDPMScheduler(**self.scheduler).alphas_cumprod.double()
        self.contexts = torch.randn(6, tokens, config["cross_attention_dim"])
        self.teacher = UNet2DConditionModel(**config)
        self.teacher.eval()
        with torch.no_grad():
            for p in self.teacher.parameters():
                p.add_(0.05 * torch.randn_like(p))
        self.fake, self.generator, self.ema = (self.near_teacher(s) for s in (0.01, 0.02, None))
        self.ema.load_state_dict(self.generator.state_dict())
        self.inputs, self.expected, self.losses = {"context_table": self.contexts}, {}, []

    def near_teacher(self, spread):
        net = UNet2DConditionModel(**self.config)
        net.load_state_dict(self.teacher.state_dict())
        net.eval()
        if spread:
            with torch.no_grad():
                for p in net.parameters():
                    p.add_(spread * torch.randn_like(p))
        return net

    def level(self, t):
        bar = self.alpha_bar[t].view(-1, 1, 1, 1)
        return bar.sqrt().float(), (1 - bar).sqrt().float()

    def x0(self, prediction, xt, t):
        a, s = self.level(t)
        if self.scheduler["prediction_type"] == "epsilon":
            return (xt - s * prediction) / a
        return a * xt - s * prediction

    def guided(self, net, xt, t, c, kappa):
        """uncond + kappa (cond - uncond)."""
        empty = self.contexts[:1].expand_as(c)
        within, without = (net(xt, t, encoder_hidden_states=x).sample for x in (c, empty))
        return without + kappa * (within - without)

    def generate(self, z, c):
        t = torch.full((len(z),), self.h["init_timestep"])
        xt = self.level(t)[1] * z
        return self.x0(self.generator(xt, t, encoder_hidden_states=c).sample, xt, t)

    def draw(self, key):
        b, h = self.h["batch"], self.h
        shape = (b, 4, self.size, self.size)
        drawn = dict(z=torch.randn(shape), noise=torch.randn(shape), timesteps=torch.randint(h["tmin"], h["tmax"], (b,)),
                     context_index=torch.randint(0, len(self.contexts), (b,)))
        self.inputs.update({f"{key}.{k}": v for k, v in drawn.items()})
        return drawn["z"], drawn["noise"], drawn["timesteps"], self.contexts[drawn["context_index"]]

    def fake_loss(self, key):
        z, noise, t, c = self.draw(key)
        with torch.no_grad():
            xg = self.generate(z, c)
        a, s = self.level(t)
        prediction = self.guided(self.fake, a * xg + s * noise, t, c, self.h["cfg_train_fake"])
        if self.scheduler["prediction_type"] == "epsilon":
            squares = (prediction - noise) ** 2
        else:
            snr = (a / s) ** 2
            squares = (prediction - (a * noise - s * xg)) ** 2 * snr / (snr + 1)
        return squares.sum() * self.h["loss_scaling"], {"generated": xg}

    def generator_loss(self, key):
        z, noise, t, c = self.draw(key)
        xg = self.generate(z, c)
        a, s = self.level(t)
        xt = a * xg + s * noise
        y_real = self.x0(self.guided(self.teacher, xt, t, c, self.h["cfg_eval_real"]), xt, t)
        y_fake = self.x0(self.guided(self.fake, xt, t, c, self.h["cfg_eval_fake"]), xt, t)
        delta = y_real - y_fake
        with torch.no_grad():
            mean = (xg - y_real).abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-5)
        loss = (delta * ((y_real - xg) - self.h["alpha"] * delta) / mean).sum() * self.h["loss_scaling_G"]
        return loss, {"generated": xg, "y_real": y_real, "y_fake": y_fake}

    def step(self, iteration, phase, net, optimizer, loss_of):
        rounds = self.h["accumulation_rounds"]
        optimizer.zero_grad()
        total = 0.0
        for r in range(rounds):
            key = f"it{iteration}.{phase}.round{r}"
            loss, outputs = loss_of(key)
            loss = loss / (self.h["batch"] * rounds)
            names, parameters = zip(*net.named_parameters())
            for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
                p.grad = g if p.grad is None else p.grad + g
            total += loss.item()
            if iteration == 0:
                self.expected.update({f"{key}.{k}": v.detach() for k, v in outputs.items()})
        if iteration == 0:
            self.expected.update({f"it0.{phase}.grad.{n}": p.grad.clone() for n, p in zip(names, parameters)})
        for p in parameters:
            torch.nan_to_num(p.grad, nan=0.0, posinf=1e5, neginf=-1e5, out=p.grad)
        optimizer.step()
        return total

    def run(self, folder):
        h = self.h
        folder.mkdir(parents=True, exist_ok=True)
        for name, net in (("teacher", self.teacher), ("fake_score", self.fake), ("generator", self.generator)):
            save_file({k: v.clone().contiguous() for k, v in net.state_dict().items()}, folder / f"{name}.safetensors")
        adam = dict(betas=tuple(h["betas"]), eps=h["eps"])
        fake_adam = torch.optim.Adam(self.fake.parameters(), lr=h["lr"], **adam)
        generator_adam = torch.optim.Adam(self.generator.parameters(), lr=h["glr"], **adam)
        images, nimg = h["batch"] * h["accumulation_rounds"], 0
        for i in range(self.iterations):
            fake = self.step(i, "fake", self.fake, fake_adam, self.fake_loss)
            generator = self.step(i, "generator", self.generator, generator_adam, self.generator_loss)
            half_life = h["ema_halflife_nimg"]
            if h["ema_rampup_ratio"] is not None:
                half_life = min(half_life, nimg * h["ema_rampup_ratio"])
            beta = 0.5 ** (images / max(half_life, 1e-8))
            with torch.no_grad():
                for average, p in zip(self.ema.parameters(), self.generator.parameters()):
                    average.copy_(p.lerp(average, beta))
            nimg += images
            self.losses.append(dict(fake_score_loss=fake, generator_loss=generator, ema_beta=beta))
        for name, net in (("fake_score", self.fake), ("generator", self.generator), ("generator_ema", self.ema)):
            self.expected.update({f"final.{name}.{k}": v.clone() for k, v in net.state_dict().items()})
        save_file({k: v.contiguous() for k, v in self.inputs.items()}, folder / "inputs.safetensors")
        save_file({k: v.contiguous() for k, v in self.expected.items()}, folder / "expected.safetensors")
        case = dict(unet=self.config, scheduler=self.scheduler, hyperparameters=h, latent_size=self.size,
                    iterations=self.iterations, losses=self.losses)
        (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    here = len(sys.argv) < 2
    folder = Path(__file__).parent if here else Path(sys.argv[1])
    for name in ["v-prediction"] if here else sys.argv[2:] or CASES:
        Run(name).run(folder / name)
