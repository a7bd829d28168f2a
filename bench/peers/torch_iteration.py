"""The official loop's step in PyTorch, for comparison: python torch_iteration.py NETWORK THREADS [cuda]

Builds the network of ../networks.json with diffusers, says which versions run, then answers each line on
standard input with the seconds of one SiD-LSG iteration: a fake-score step, then a generator step on one joint
tape, both guided with kappa = 1.5, as in the official code; written afresh.
"""

import json
import os
import sys
import time
from pathlib import Path

import diffusers
import torch
from diffusers import UNet2DConditionModel

name, threads = sys.argv[1], int(sys.argv[2])
device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
torch.set_num_threads(threads)
torch.manual_seed(0)
torch.set_default_device(device)
shape = json.loads((Path(__file__).parent.parent / "networks.json").read_text())[name]
config, size, batch, tokens = shape["unet"], shape["size"], shape["batch"], shape["tokens"]
teacher = UNet2DConditionModel(**config).eval().requires_grad_(False)
fake, generator, average = (UNet2DConditionModel(**config).eval() for _ in range(3))
for network in (fake, generator, average):
    network.load_state_dict(teacher.state_dict())
average.requires_grad_(False)
adams = [torch.optim.Adam(n.parameters(), lr=1e-6, betas=(0.0, 0.999)) for n in (fake, generator)]
alphas = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
kappa, t_init = 1.5, 625


def level(t):
    bar = alphas[t].view(-1, 1, 1, 1)
    return bar.sqrt().float(), (1 - bar).sqrt().float()


def noise():
    return torch.randn(batch, config["in_channels"], size, size)


def text():
    return torch.randn(batch, tokens, config["cross_attention_dim"])


empty = text()[:1]


def guided(network, xt, t, c):
    both = network(torch.cat([xt, xt]), torch.cat([t, t]), torch.cat([empty.expand_as(c), c])).sample
    without, within = both.chunk(2)
    return without + kappa * (within - without)


def generate(c):
    t = torch.full((batch,), t_init)
    a, s = level(t)
    xt = s * noise()
    return (xt - s * generator(xt, t, c).sample) / a


def step(network, adam, loss):
    adam.zero_grad()
    loss.backward()
    for p in network.parameters():
        torch.nan_to_num(p.grad, nan=0.0, posinf=1e5, neginf=-1e5, out=p.grad)
    adam.step()


def iteration():
    fake.requires_grad_(True)
    c, t, e = text(), torch.randint(20, 980, (batch,)), noise()
    a, s = level(t)
    with torch.no_grad():
        xg = generate(c)
    loss = ((guided(fake, a * xg + s * e, t, c) - e) ** 2).sum() / batch
    step(fake, adams[0], loss)
    fake.requires_grad_(False)

    c, t, e = text(), torch.randint(20, 980, (batch,)), noise()
    a, s = level(t)
    xg = generate(c)
    xt = a * xg + s * e
    real = (xt - s * guided(teacher, xt, t, c)) / a
    own = (xt - s * guided(fake, xt, t, c)) / a
    with torch.no_grad():
        weight = 1 / (xg - real).abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-5)
    delta = real - own
    step(generator, adams[1], (weight * delta * (real - xg - delta)).sum() / batch)
    with torch.no_grad():
        for p, q in zip(average.parameters(), generator.parameters()):
            p.copy_(q.lerp(p, 0.5))
    return loss.item()


clock = time.process_time if "processor-time" in os.environ.get("NODE_OPTIONS", "") else time.perf_counter
iteration()
print(f"PyTorch {torch.__version__}, diffusers {diffusers.__version__}, {name}, {threads} thread(s)", flush=True)
for _ in sys.stdin:
    started = clock()
    iteration()
    if device == "cuda":
        torch.cuda.synchronize()
    print(clock() - started, flush=True)
