"""The batch and the analytic networks of methods.py: float64, small enough to write down twice.

A network is r ⊙ tanh(w ⊙ x_t/√(a² + s²) + c·u + v·s/√(a² + s²)), of any prediction type; what is inside r ⊙ … are its
features. All numbers are such that float32 holds them exactly.
"""

import torch

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.manual_seed(20240612)
SHAPE = (4, 2, 2, 3)
PARTS = {"w": (2, 2, 3), "u": (3, 12), "v": (2, 2, 3), "r": (2, 2, 3)}


def draw(shape, scale=1.0, shift=0.0):
    return (shift + scale * torch.randn(shape, dtype=torch.float32)).to(torch.float32).double()


def weights():
    scales = {"w": (0.5, 0.3), "u": (0.4, 0.0), "v": (0.5, 0.0), "r": (0.4, 0.9)}
    return {name: draw(shape, *scales[name]).requires_grad_() for name, shape in PARTS.items()}


NETWORKS = {name: weights() for name in ("generator", "average", "teacher", "fakeScore")}
HEAD = {"k": draw((12, 1), 1.0).requires_grad_(), "k0": draw((1,), 0.3).requires_grad_()}
BATCH = {
    "noises": draw((4, *SHAPE)),
    "noise": draw(SHAPE),
    "otherNoise": draw(SHAPE),
    "images": draw(SHAPE, 0.5),
    "cond": draw((4, 3)),
    "uncond": draw((1, 3)),
    "target": draw(SHAPE, 0.5),
    "uniforms": torch.tensor([0.125, 0.5, 0.75, 0.9375]),
}


def per_sample(values):
    return torch.as_tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
ALPHAS_CUMPROD = torch.cumprod(1 - BETAS, 0)


def level(schedule, t):
    """Signal and noise at each time: Stable Diffusion's, EDM's and rectified flow's."""
    if schedule == "vp":
        cumulative = ALPHAS_CUMPROD[torch.as_tensor(t, dtype=torch.long)]
        return per_sample(cumulative.sqrt()), per_sample((1 - cumulative).sqrt())
    t = per_sample(t)
    return (torch.ones_like(t), t) if schedule == "ve" else (1 - t, t)


def features(network, xt, a, s, cond):
    length = (a**2 + s**2).sqrt()
    text = (cond @ network["u"]).view(-1, 2, 2, 3)
    return torch.tanh(network["w"] * xt / length + text + network["v"] * s / length)


def predict(network, xt, a, s, cond):
    return network["r"] * features(network, xt, a, s, cond)


def to_x0(kind, p, xt, a, s):
    if kind == "eps":
        return (xt - s * p) / a
    if kind == "v":
        return a * xt - s * p
    if kind == "flow":
        return xt - s * p
    return p


def x0_of(network, kind, xt, a, s, cond, scale=1.0):
    """f_∅ + κ(f_c − f_∅)."""
    with_text = to_x0(kind, predict(network, xt, a, s, cond), xt, a, s)
    if isinstance(scale, (int, float)) and scale == 1:
        return with_text
    without = to_x0(kind, predict(network, xt, a, s, BATCH["uncond"]), xt, a, s)
    return without + scale * (with_text - without)


def generate(schedule, times, passes, through_all=False):
    """K passes with fresh noise, the gradient through the last one or through all; also the last input."""
    x0 = None
    for i in range(passes):
        a, s = level(schedule, [times[i]] * SHAPE[0])
        z = BATCH["noises"][i]
        xt = s * z if x0 is None else a * (x0 if through_all else x0.detach()) + s * z
        x0 = x0_of(NETWORKS["generator"], "x0", xt, a, s, BATCH["cond"])
    return x0, xt


def logit(kind, features):
    """A head of one number per sample, or the mean over the channels: one number per place, or 30 times that."""
    if kind == "head":
        return features.flatten(1) @ HEAD["k"] + HEAD["k0"]
    return (30 if kind == "steep" else 1) * features.mean(dim=3, keepdim=True)


def flat(x):
    return [float(f"{value:.10g}") for value in x.detach().flatten().tolist()]
