"""The published losses of every method: functions of samples x, answers y and circumstances c (a, s, x_t, ε).

Each is written as its paper or its official code writes it, in noise, score or x0, with `detach` where they stop the
gradient; sources are named where the library names them, in the method's own file.
"""

import torch
import torch.nn.functional as F
from methods_scene import BATCH, to_x0

SIZE = 12


def sums(x):
    """Summed over a sample, averaged over the batch."""
    return x.flatten(1).sum(1).mean()


def abs_mean(x):
    return x.abs().mean(dim=(1, 2, 3), keepdim=True).detach()


def stopped(x, g, reduce):
    return 0.5 * reduce((x - (x - g).detach()) ** 2)


# ── The generator's losses: (x_g, answers, circumstances) to a number ──
def sid(alpha, weight="l1"):
    def loss(x, y, c):
        delta = y["teacher"] - y["fake"]
        m = abs_mean(x - y["teacher"]).clip(min=1e-5)
        sigma = c.s / (c.a + c.s)
        w = {
            "l1": lambda: 1 / m,
            "one-minus-sigma": lambda: 1 - sigma,
            "one-minus-sigma-squared": lambda: (1 - sigma) ** 2,
            "inverse-sigma": lambda: 1 / sigma,
            "inverse-sigma-squared": lambda: 1 / sigma**2,
            "alpha-over-sigma": lambda: (1 - sigma) / sigma,
            "snr": lambda: c.a**2 / c.s**2,
            "none": lambda: torch.ones_like(m),
        }[weight]()
        return sums(w * delta * ((y["teacher"] - x) - alpha * delta))

    return loss


def sida(alpha=1.0, sid_scale=100.0, gan_scale=0.01):
    """BCE over batch and map first, then over each sample's M, times its elements."""

    def loss(x, y, c):
        m = abs_mean(x - y["teacher"]).clip(min=1e-5)
        d = y["logit"].clamp(-10, 10)
        bce = F.binary_cross_entropy_with_logits(d, torch.ones_like(d))
        return 0.5 * sid_scale * sid(alpha)(x, y, c) + 0.5 * gan_scale * ((bce / m).flatten() * SIZE).mean()

    return loss


def sid_dit_gan(alpha=1.0, sid_scale=100.0, gan_scale=1.0):
    """BCE of each sample, times its own weight ω and its elements."""

    def loss(x, y, c):
        w = 1 - c.s / (c.a + c.s)
        d = y["logit"].clamp(-10, 10)
        bce = F.binary_cross_entropy_with_logits(d, torch.ones_like(d), reduction="none").flatten(1).mean(1)
        gan = (bce * w.flatten() * SIZE).mean()
        return 0.5 * sid_scale * sid(alpha, "one-minus-sigma")(x, y, c) + 0.5 * gan_scale * gan

    return loss


def noise_of(f, c):
    return (c.xt - c.a * f) / c.s


def sds(w):
    """w(t)(ε_φ − ε), the Jacobian of the network left out."""
    return lambda x, y, c: stopped(x, w(c.a, c.s) * (noise_of(y["teacher"], c) - c.noise), sums)


def csd(x, y, c):
    return stopped(x, c.s**2 * (noise_of(y["teacher"], c) - noise_of(y["fake"], c)), sums)


def vsd(reduce):
    """w(t)(ε_φ − ε_ψ) with w = σ²."""
    return lambda x, y, c: stopped(x, c.s**2 * (noise_of(y["teacher"], c) - noise_of(y["fake"], c)), reduce)


def diff_instruct(x, y, c):
    """σ²(s_ψ − s_φ) at signal 1."""
    fake, real = ((y[name] - c.xt) / c.s**2 for name in ("fake", "teacher"))
    return stopped(x, c.s**2 * (fake - real), sums)


def dmd(x, y, c):
    """Equations 7 and 8: w_t α_t (s_fake − s_real), w_t = σ_t²/α_t · CS/‖μ − x‖₁."""
    fake, real = (-(c.xt - c.a * y[name]) / c.s**2 for name in ("fake", "teacher"))
    w = c.s**2 / c.a * SIZE / (y["teacher"] - x).abs().sum(dim=(1, 2, 3), keepdim=True)
    return stopped(x, w * c.a * (fake - real), torch.mean)


def dmd2(x, y, c):
    real, fake = x - y["teacher"], x - y["fake"]
    return stopped(x, (real - fake) / abs_mean(real), torch.mean)


def dmd2_gan(scale):
    return lambda x, y, c: dmd2(x, y, c) + scale * F.softplus(-y["logit"]).mean()


def decoupled(scale):
    """Distribution matching at t, guidance at t′. M is that of both together, so that at t′ = t this is DMD2."""

    def loss(x, y, c):
        matching = y["fake"] - y["teacher"]
        augmentation = y["without"] - y["with"]
        g = matching + (scale - 1) * augmentation
        return stopped(x, g / abs_mean(x - (y["fake"] - g)), torch.mean)

    return loss


def tdm(huber):
    """The square without ½, or the pseudo-Huber loss, of x_g against x_g + (f_c − f_ψ) + (κ − 1)(f_c − f_∅); over M."""

    def loss(x, y, c):
        target = (x + y["teacher"] - y["fake"]).detach()
        e = x - target
        distance = e**2 if huber is None else (e**2 + huber**2).sqrt() - huber
        return (distance / abs_mean(x - y["teacher"])).mean()

    return loss


def sim(huber):
    """−d′(y)·(f_ψ − x_g), y = f_ψ − f_φ, in units of x0."""

    def loss(x, y, c):
        difference = y["fake"] - y["teacher"]
        if huber is None:
            slope = 2 * difference
        else:
            slope = difference / ((difference**2).sum(dim=(1, 2, 3), keepdim=True) + huber**2).sqrt()
        return -sums(slope * (y["fake"] - x))

    return loss


def sim_of_scores(x, y, c):
    """−d′(y)·(s_ψ − ∇log q(x_t|x_g)) with the scores themselves and the square."""
    fake, real = ((c.a * y[name] - c.xt) / c.s**2 for name in ("fake", "teacher"))
    of_noise = (c.a * x - c.xt) / c.s**2
    return -sums(2 * (fake - real) * (fake - of_noise))


DIVERGENCES = {
    "reverse-kl": lambda r: torch.ones_like(r),
    "forward-kl": lambda r: r,
    "jensen-shannon": lambda r: 1 - 1 / (1 + r),
    "softened-reverse-kl": lambda r: 1 / (1 + r),
    "hellinger": lambda r: r**0.5,
    "jeffreys": lambda r: 1 + r,
    "neyman": lambda r: 1 / r,
}


def f_distill(divergence, bins, scale=1e-3):
    """h of the clipped ratio over its bin's mean, over its own mean; the logit's adversarial term beside it."""

    def loss(x, y, c):
        r = y["logit"].detach().flatten().clamp(-10, 10).exp().clamp(0.1, 20)
        means = torch.stack([r[[j for j in range(4) if bins[j] == bins[i]]].mean() for i in range(4)])
        h = DIVERGENCES[divergence](r / (means + 1e-6))
        w = (h / (h.mean() + 1e-6)).view(-1, 1, 1, 1) / (abs_mean(x - y["teacher"]) + 1e-6)
        return stopped(x, w * (y["fake"] - y["teacher"]), torch.mean) + scale * F.softplus(-y["logit"]).mean()

    return loss


def f_descent(x, y, c):
    """h(r)(f_ψ − f_φ) of the Jensen–Shannon divergence with the ratio as it is: what the theorem is about."""
    r = y["logit"].exp().view(-1, 1, 1, 1)
    return stopped(x, r / (1 + r) * (y["fake"] - y["teacher"]), sums)


def rewarded(loss, weight):
    """Less w·R(x_g, c) of each sample, R a distance to a picture and a projection on the condition."""

    def total(x, y, c):
        near = -((x - BATCH["target"]) ** 2).mean(dim=(1, 2, 3))
        along = (x.mean(dim=(1, 2)) * BATCH["cond"]).sum(1)
        return loss(x, y, c) - weight * (near + along).mean()

    return total


# ── The fake score's losses: (raw prediction, its type, x_g, circumstances) to a number ──
def noise_error(p, kind, x, c):
    return (noise_of(to_x0(kind, p, c.xt, c.a, c.s), c) - c.noise) ** 2


def sample_error(p, kind, x, c):
    return (to_x0(kind, p, c.xt, c.a, c.s) - x) ** 2


def own_error(p, kind, x, c):
    target = {"eps": c.noise, "x0": x, "v": c.a * c.noise - c.s * x, "flow": c.noise - x}[kind]
    return (p - target) ** 2


def edm_error(p, kind, x, c):
    sigma = c.s / c.a
    return (sigma**2 + 0.5**2) / (sigma * 0.5) ** 2 * sample_error(p, kind, x, c)


def snr_error(p, kind, x, c):
    return (c.a / c.s) ** 2 * sample_error(p, kind, x, c)


def weighted_noise_error(p, kind, x, c):
    return c.a**2 * noise_error(p, kind, x, c)


def interval_error(p, kind, x, c):
    """To the x0 whose mean is the score of x_t: (x_t − (s_t²/s_t|s)·ε)/a_t, times min(SNR, 5) and (s_t|s/s_t)²."""
    target = (c.xt - c.s**2 / c.ts * c.noise) / c.a
    return (c.ts / c.s) ** 2 * ((c.a / c.s) ** 2).clamp(max=5) * (to_x0(kind, p, c.xt, c.a, c.s) - target) ** 2


# ── The discriminators' losses: (logit of the samples, logit of the images, circumstances) to a number ──
def bce_pair(fake, real):
    on = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    return on + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def sida_critic(fake, real, c):
    sigma = c.s / c.a
    return ((sigma**2 + 0.5**2) / (sigma * 0.5) ** 2).mean() * bce_pair(fake, real) / 2


def sid_dit_critic(fake, real, c):
    return SIZE * bce_pair(fake.clamp(-10, 10), real.clamp(-10, 10)) / 2


def softplus_critic(scale):
    return lambda fake, real, c: scale * (F.softplus(fake).mean() + F.softplus(-real).mean())
