"""Every distillation method in PyTorch (float64, autograd), for test/methods/golden.test.ts.

Each case is one random batch through the published formula as its paper or its official code writes it: in noise, score
or x0, with `detach` where they stop the gradient, and with nothing of this library's closed forms. Written down are the
generator's loss, its gradient in the samples and in the answers of the networks, its gradient in the generator's weights,
and loss and gradient of the fake score's update (with the discriminator's).

Run: python test/golden/methods.py   (writes methods.json beside itself)
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from methods_scene import (
    ALPHAS_CUMPROD, BATCH, HEAD, NETWORKS, SHAPE, draw, flat, features, generate, level, logit, predict, to_x0, x0_of,
)  # fmt: skip

SIZE = 12
TIMES = {"vp": [80, 310, 520, 700], "ve": [0.35, 0.8, 1.7, 4.0], "flow": [0.2, 0.45, 0.6, 0.85]}
OTHER = {"vp": [150, 240, 460, 610], "ve": [0.5, 0.6, 1.2, 2.5], "flow": [0.3, 0.35, 0.5, 0.7]}
PASSES = {"vp": [625, 312], "ve": [2.5, 1.25], "flow": [0.9, 0.45]}
KINDS = {"vp": ("eps", "eps"), "ve": ("x0", "x0"), "flow": ("flow", "flow")}


def sums(x):
    """Summed over a sample, averaged over the batch."""
    return x.flatten(1).sum(1).mean()


def abs_mean(x):
    return x.abs().mean(dim=(1, 2, 3), keepdim=True).detach()


def stopped(x, g, reduce):
    return 0.5 * reduce((x - (x - g).detach()) ** 2)


# ── The generator's losses: (x_g, answers, circumstances) to a number ───────────────────────────────────────────────────
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
    """Distribution matching at t, guidance at t′; each sample over its M at t."""

    def loss(x, y, c):
        g = (y["fake"] - y["teacher"]) + (scale - 1) * (y["without"] - y["with"])
        return stopped(x, g / abs_mean(x - y["teacher"]), torch.mean)

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
        h = (h / (h.mean() + 1e-6)).view(-1, 1, 1, 1)
        w = h / (abs_mean(x - y["teacher"]) + 1e-6)
        return stopped(x, w * (y["fake"] - y["teacher"]), torch.mean) + scale * F.softplus(-y["logit"]).mean()

    return loss


def rewarded(loss, weight):
    """Less w·R(x_g, c) of each sample, R a distance to a picture and a projection on the condition."""

    def total(x, y, c):
        near = -((x - BATCH["target"]) ** 2).mean(dim=(1, 2, 3))
        along = (x.mean(dim=(1, 2)) * BATCH["cond"]).sum(1)
        return loss(x, y, c) - weight * (near + along).mean()

    return total


# ── The fake score's losses: (raw prediction, its type, x_g, circumstances) to a number ─────────────────────────────────
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
    """To the x0 whose mean is the score of x_t: (x_t − (s_t²/s_t|s)·ε)/a_t, times min(SNR, 5)."""
    target = (c.xt - c.s**2 / c.ts * c.noise) / c.a
    return ((c.a / c.s) ** 2).clamp(max=5) * (to_x0(kind, p, c.xt, c.a, c.s) - target) ** 2


# ── The discriminators' losses: (logit of the samples, logit of the images, circumstances) to a number ──────────────────
def bce_pair(fake, real):
    on = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    return on + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def sida_critic(fake, real, c):
    sigma = c.s / c.a
    return ((sigma**2 + 0.5**2) / (sigma * 0.5) ** 2).mean() * bce_pair(fake, real) / 2


def sid_dit_critic(fake, real, c):
    return SIZE * bce_pair(fake, real) / 2


def softplus_critic(scale):
    return lambda fake, real, c: scale * (F.softplus(fake).mean() + F.softplus(-real).mean())


class Circumstances:
    """x_t of one update: from x_g, or from where DDIM arrives at the interval's end."""

    def __init__(self, schedule, t, noise, x, last=None):
        self.a, self.s = level(schedule, t)
        self.noise = noise
        if last is None:
            self.xt = self.a * x + self.s * noise
            return
        begin, end, given = last
        (a0, s0), (a1, s1) = level(schedule, [begin] * 4), level(schedule, [end] * 4)
        arrived = a1 * x + s1 * (given - a0 * x) / s0
        ratio = self.a / a1
        self.ts = (self.s**2 - ratio**2 * s1**2).sqrt()
        self.xt = ratio * arrived + self.ts * noise

    def held(self):
        copy = Circumstances.__new__(Circumstances)
        copy.__dict__ = {name: value.detach() for name, value in self.__dict__.items()}
        return copy


CASES = []


def case(name, schedule, loss, asks, fake=None, kinds=None, passes=1, times=None, t=None, interval=False, brief=False):
    """asks: name → (network, κ, whether the gradient flows, "xt" or "other"); the discriminator's κ is its form.

    fake: the loss, its reduction, κ, its scale, and the discriminator's (form, network, loss, x_t) if there is one.
    """
    kinds = dict(zip(("teacher", "fakeScore"), kinds or KINDS[schedule]))
    times, t = times or PASSES[schedule], t or TIMES[schedule]
    x, given = generate(schedule, times, passes)
    last = (times[passes - 1], times[passes], given) if interval else None
    cond = BATCH["cond"]

    def ask(of, scale, c):
        if of in kinds:
            return x0_of(NETWORKS[of], kinds[of], c.xt, c.a, c.s, cond, scale)
        return logit(scale, features(NETWORKS[of.split(":")[1]], c.xt, c.a, c.s, cond))

    at = {
        "xt": Circumstances(schedule, t, BATCH["noise"], x, last),
        "other": Circumstances(schedule, OTHER[schedule], BATCH["otherNoise"], x),
    }
    answers = {n: ask(of, k, at[where]) for n, (of, k, _, where) in asks.items()}
    answers = {n: y if asks[n][2] else y.detach() for n, y in answers.items()}
    value = loss(x, answers, at["xt"].held())
    theta = list(NETWORKS["generator"].values())
    through = torch.autograd.grad(value, theta)
    leaves = {"generated": x.detach().requires_grad_()}
    leaves |= {n: y.detach().requires_grad_(asks[n][2]) for n, y in answers.items()}
    again = loss(leaves["generated"], leaves, at["xt"].held())
    free = [n for n, leaf in leaves.items() if leaf.requires_grad]
    cotangents = torch.autograd.grad(again, [leaves[n] for n in free], allow_unused=True)
    generator = {"loss": value.item(), "gradients": dict(zip(NETWORKS["generator"], map(flat, through)))}
    if not brief:
        generator["cotangents"] = {n: flat(g) for n, g in zip(free, cotangents) if g is not None}
    CASES.append(
        {"name": name, "schedule": schedule, "predicts": kinds | {"generator": "x0"}, "passes": passes, "times": times}
        | {"t": t, "other": OTHER[schedule], "generator": generator}
    )
    if "logit" in asks:
        CASES[-1]["discriminator"] = {"form": asks["logit"][1], "reads": asks["logit"][0].split(":")[1]}
    if fake is not None:
        CASES[-1]["fakeScore"] = fake_update(schedule, kinds["fakeScore"], x.detach(), t, last, **fake)


def fake_update(schedule, kind, x, t, last, error, reduce=sums, scale=1.0, factor=1.0, critic=None):
    c = Circumstances(schedule, t, BATCH["noise"], x, last).held()
    network, cond = NETWORKS["fakeScore"], BATCH["cond"]
    p = predict(network, c.xt, c.a, c.s, cond)
    if scale != 1:
        without = predict(network, c.xt, c.a, c.s, BATCH["uncond"])
        p = without + scale * (p - without)
    value = factor * reduce(error(p, kind, x, c))
    trained = dict(network)
    if critic is not None:
        form, reads, loss, where = critic
        e = c if where == "xt" else Circumstances(schedule, OTHER[schedule], BATCH["otherNoise"], x).held()
        real = e.a * BATCH["images"] + e.s * e.noise
        of = [logit(form, features(NETWORKS[reads], at, e.a, e.s, cond)) for at in (e.xt, real)]
        value = value + loss(*of, e)
        trained |= HEAD if form == "head" else {}
    gradients = torch.autograd.grad(value, list(trained.values()), allow_unused=True)
    return {"loss": value.item(), "gradients": {n: flat(g) for n, g in zip(trained, gradients) if g is not None}}


def both(k_teacher, k_fake, through):
    return {"teacher": ("teacher", k_teacher, through, "xt"), "fake": ("fakeScore", k_fake, through, "xt")}


def consistency(name, huber, low=5.0, high=15.0, every=20):
    """One DDIM step of the guided teacher, κ = 1 + w; c_skip and c_out of k = 10 and σ_d = .5."""
    theta, target, t = NETWORKS["generator"], NETWORKS["average"], [19, 259, 499, 779]
    before = [max(n - every, 0) for n in t]
    a, s = level("vp", t)
    a1, s1 = level("vp", before)
    w = low + (high - low) * BATCH["uniforms"].view(-1, 1, 1, 1)

    def boundary(network, xt, a, s, times):
        k = 10 * torch.tensor(times, dtype=torch.float64).view(-1, 1, 1, 1)
        skip, out = 0.25 / (k**2 + 0.25), k / (k**2 + 0.25).sqrt()
        return skip * xt + out * to_x0("eps", predict(network, xt, a, s, BATCH["cond"]), xt, a, s)

    xt = a * BATCH["images"] + s * BATCH["noise"]
    f = x0_of(NETWORKS["teacher"], "eps", xt, a, s, BATCH["cond"], 1 + w)
    earlier = a1 * f + s1 * (xt - a * f) / s
    error = boundary(theta, xt, a, s, t) - boundary(target, earlier, a1, s1, before).detach()
    value = (error**2 if huber is None else (error**2 + huber**2).sqrt() - huber).mean()
    gradients = dict(zip(theta, map(flat, torch.autograd.grad(value, list(theta.values())))))
    kinds = dict.fromkeys(("generator", "teacher", "fakeScore"), "eps")
    CASES.append(
        {"name": name, "schedule": "vp", "predicts": kinds, "passes": 1, "times": PASSES["vp"], "t": t, "other": OTHER["vp"]}
        | {"generator": {"loss": value.item(), "gradients": gradients}}
    )


mean = torch.mean
eps = {"error": noise_error}
own = {"error": own_error, "reduce": mean}
critic = ("head", "fakeScore", softplus_critic(1e-2), "other")
gan = {"logit": ("discriminator:fakeScore", "head", True, "other")}
map_of_fake = {"logit": ("discriminator:fakeScore", "map", True, "xt")}

case("sid", "ve", lambda *z: 100 * sid(1.2)(*z), both(1, 1, True), {"error": edm_error})
case("sidLsg", "vp", sid(1), both(1.5, 1.5, True), eps | {"scale": 1.5})
case("sidLsg, v", "vp", sid(1), both(2, 2, True), eps | {"scale": 2}, kinds=("v", "v"), brief=True)
case("fewStepSid, zero-cfg", "vp", sid(1), both(1, 0, True), eps | {"scale": 0}, passes=2)
case("fewStepSid, anti-cfg", "vp", sid(1), both(1, -0.5, True), eps | {"scale": -0.5}, passes=2)
flow = {"error": own_error, "scale": 4.5}
case("sidDit", "flow", lambda *z: 100 * sid(1, "one-minus-sigma")(*z), both(4.5, 4.5, True), flow, passes=2)
for name in ("one-minus-sigma-squared", "inverse-sigma", "inverse-sigma-squared", "alpha-over-sigma", "snr", "l1", "none"):
    case(f"sidDit, {name}", "flow", lambda *z, name=name: 100 * sid(1, name)(*z), both(4.5, 4.5, True), brief=True)
case("sida", "ve", sida(), both(1, 1, True) | map_of_fake,
     {"error": edm_error, "critic": ("map", "fakeScore", sida_critic, "xt")})  # fmt: skip
case("sds", "vp", sds(lambda a, s: s**2), {"teacher": ("teacher", 101, False, "xt")})
case("sds, w = 1", "vp", sds(lambda a, s: 1), {"teacher": ("teacher", 101, False, "xt")}, brief=True)
case("sds, w = a·s²", "vp", sds(lambda a, s: a * s**2), {"teacher": ("teacher", 101, False, "xt")}, brief=True)
case("csd", "vp", csd, {"teacher": ("teacher", 1, False, "xt"), "fake": ("teacher", 0, False, "xt")})
case("vsd", "vp", vsd(sums), both(7.5, 1, False), own, kinds=("eps", "v"))
case("swiftBrush", "vp", vsd(mean), both(4.5, 4.5, False), {"error": weighted_noise_error, "reduce": mean})
case("diffInstruct", "ve", diff_instruct, both(1, 1, False), {"error": edm_error})
case("dmd", "vp", dmd, both(3, 1, False), {"error": snr_error, "reduce": mean})
case("dmd2", "vp", dmd2, both(1.75, 1, False), {"error": noise_error, "reduce": mean})
case("dmd2, discriminator", "vp", dmd2_gan(1e-3), both(1.75, 1, False) | gan,
     {"error": noise_error, "reduce": mean, "critic": critic})  # fmt: skip
case("decoupledDmd", "vp", decoupled(1.75), both(1, 1, False)
     | {"with": ("teacher", 1, False, "other"), "without": ("teacher", 0, False, "other")},
     {"error": noise_error, "reduce": mean})  # fmt: skip
chain = {"passes": 2, "times": [999, 749, 499, 249], "t": [520, 580, 660, 730], "interval": True}
case("tdm", "vp", tdm(1e-3), both(4.5, 1, False), {"error": interval_error, "reduce": mean}, **chain)
case("tdm, 2D/M", "vp", tdm(None), both(4.5, 1, False), brief=True, **chain)
case("sim, squared", "vp", sim(None), both(1, 1, True), eps)
case("sim, huber", "vp", sim(0.5), both(1, 1, True), eps)
for name in DIVERGENCES:
    case(f"fDistill, {name}", "vp", f_distill(name, [3, 3, 3, 7]),
         both(1.75, 1, False) | {"logit": ("discriminator:teacher", "head", True, "xt")},
         {"error": sample_error, "reduce": mean, "critic": ("head", "teacher", softplus_critic(1), "xt")}
         if name == "jensen-shannon" else None, t=[310, 340, 380, 700], brief=name != "jensen-shannon")  # fmt: skip
case("withReward, dmd2", "vp", rewarded(dmd2, 0.3), both(1.75, 1, False), {"error": noise_error, "reduce": mean})
case("withReward, sidLsg", "vp", rewarded(sid(1), 2.0), both(1.5, 1.5, True), eps | {"scale": 1.5})
consistency("lcm", None)
consistency("lcm, huber", 1e-3)

golden = {
    "shape": SHAPE,
    "networks": {n: {k: flat(v) for k, v in parts.items()} for n, parts in NETWORKS.items()},
    "head": {k: flat(v) for k, v in HEAD.items()},
    "batch": {n: flat(x) for n, x in BATCH.items()},
    "cases": CASES,
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
