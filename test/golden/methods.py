"""Every distillation method in PyTorch (float64, autograd), for test/methods/golden.test.ts.

Each case is one random batch (methods_scene.py) through a published loss (methods_losses.py), with nothing of this
library's closed forms. Written down are the generator's loss, its gradient in the samples and in the answers of the
networks, its gradient in the generator's weights, and loss and gradient of the fake score's update, with the
discriminator's.

Run: python test/golden/methods.py   (writes methods.json beside itself)
"""

import json
from pathlib import Path

import torch
from methods_losses import (
    DIVERGENCES, csd, decoupled, diff_instruct, dmd, dmd2, dmd2_gan, edm_error, f_descent, f_distill, interval_error,
    noise_error, own_error, rewarded, sample_error, sds, sid, sid_dit_critic, sid_dit_gan, sida, sida_critic, sim,
    sim_of_scores, snr_error, softplus_critic, sums, tdm, vsd, weighted_noise_error,
)  # fmt: skip
from methods_scene import BATCH, HEAD, NETWORKS, SHAPE, features, flat, generate, level, logit, predict, to_x0, x0_of

TIMES = {"vp": [80, 310, 520, 700], "ve": [0.35, 0.8, 1.7, 4.0], "flow": [0.2, 0.45, 0.6, 0.85]}
OTHER = {"vp": [150, 240, 460, 610], "ve": [0.5, 0.6, 1.2, 2.5], "flow": [0.3, 0.35, 0.5, 0.7]}
PASSES = {"vp": [625, 312], "ve": [2.5, 1.25], "flow": [0.9, 0.45]}
KINDS = {"vp": ("eps", "eps"), "ve": ("x0", "x0"), "flow": ("flow", "flow")}



class Circumstances:
    """x_t of one update: from x_g, or from where DDIM arrives at the interval's end."""

    def __init__(self, schedule, t, noise, x, last=None):
        self.a, self.s = level(schedule, t)
        self.noise = noise
        if last is None:
            self.xt = self.a * x + self.s * noise
            return
        begin, end, given = last
        a0, s0 = level(schedule, [begin] * 4)
        # The last pass ends at the sample itself.
        a1, s1 = (1, 0) if end is None else level(schedule, [end] * 4)
        arrived = a1 * x + s1 * (given - a0 * x) / s0
        ratio = self.a / a1
        self.ts = (self.s**2 - ratio**2 * s1**2).sqrt()
        self.xt = ratio * arrived + self.ts * noise

    def held(self):
        copy = Circumstances.__new__(Circumstances)
        copy.__dict__ = {name: value.detach() for name, value in self.__dict__.items()}
        return copy


CASES = []


def case(name, schedule, loss, asks, fake=None, kinds=None, passes=1, times=None, t=None, interval=False,
         nimg=None, through_all=False, brief=False):  # fmt: skip
    """asks: name → (network, κ, whether the gradient flows, "xt" or "other"); the discriminator's κ is its form.

    fake: the loss, its reduction, κ, its scale, and the discriminator's (form, network, loss, x_t) if there is one.
    """
    kinds = dict(zip(("teacher", "fakeScore"), kinds or KINDS[schedule]))
    times, t = times or PASSES[schedule], t or TIMES[schedule]
    x, given = generate(schedule, times, passes, through_all)
    last = (times[passes - 1], (times + [None])[passes], given) if interval else None
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
    if nimg is not None:
        CASES[-1]["nimg"] = nimg
    if through_all:
        CASES[-1]["gradientThrough"] = "all"
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
        {"name": name, "schedule": "vp", "predicts": kinds, "passes": 1, "times": PASSES["vp"], "t": t}
        | {"other": OTHER["vp"], "generator": {"loss": value.item(), "gradients": gradients}}
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
case("sidLsg, two passes", "vp", sid(1), both(1.5, 1.5, True), passes=2, through_all=True, brief=True)
case("fewStepSid, zero-cfg", "vp", sid(1), both(1, 0, True), eps | {"scale": 0}, passes=2)
case("fewStepSid, anti-cfg", "vp", sid(1), both(1, -0.5, True), eps | {"scale": -0.5}, passes=2)
flow = {"error": own_error, "scale": 4.5}
case("sidDit", "flow", lambda *z: 100 * sid(1, "one-minus-sigma")(*z), both(4.5, 4.5, True), flow, passes=2)
WEIGHTS = ("one-minus-sigma-squared", "inverse-sigma", "inverse-sigma-squared", "alpha-over-sigma", "snr", "l1", "none")
for name in WEIGHTS:
    case(f"sidDit, {name}", "flow", lambda *z, name=name: 100 * sid(1, name)(*z), both(4.5, 4.5, True), brief=True)
case("sida", "ve", sida(), both(1, 1, True) | map_of_fake,
     {"error": edm_error, "critic": ("map", "fakeScore", sida_critic, "xt")})  # fmt: skip
case("sida, before its discriminator", "ve", lambda *z: 100 * sid(1)(*z), both(1, 1, True) | map_of_fake,
     nimg=150_000, brief=True)  # fmt: skip
case("sidDit, discriminator", "flow", sid_dit_gan(), both(4.5, 4.5, True) | map_of_fake,
     flow | {"critic": ("map", "fakeScore", sid_dit_critic, "xt")})  # fmt: skip
steep = {"logit": ("discriminator:fakeScore", "steep", True, "xt")}
case("sida, far logits", "ve", sida(), both(1, 1, True) | steep,
     {"error": edm_error, "critic": ("steep", "fakeScore", sida_critic, "xt")}, brief=True)  # fmt: skip
case("sidDit, far logits", "flow", sid_dit_gan(), both(4.5, 4.5, True) | steep,
     flow | {"critic": ("steep", "fakeScore", sid_dit_critic, "xt")}, brief=True)  # fmt: skip
case("sidDit, mean", "flow", lambda x, y, c: sid(0.5, "l1")(x, y, c) / 12, both(4, 1, True),
     {"error": own_error, "reduce": mean}, brief=True)  # fmt: skip
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
case("dmd2, EDM", "ve", dmd2, both(1, 1, False), {"error": edm_error, "reduce": mean}, brief=True)
case("dmd2, Self-Forcing", "flow", dmd2, both(4, 1, False), own, brief=True)
case("decoupledDmd", "vp", decoupled(1.75), both(1, 1, False)
     | {"with": ("teacher", 1, False, "other"), "without": ("teacher", 0, False, "other")},
     {"error": noise_error, "reduce": mean})  # fmt: skip
chain = {"passes": 2, "times": [999, 749, 499, 249], "t": [520, 580, 660, 730], "interval": True}
case("tdm", "vp", tdm(1e-3), both(4.5, 1, False), {"error": interval_error, "reduce": mean}, **chain)
case("tdm, 2D/M", "vp", tdm(None), both(4.5, 1, False), brief=True, **chain)
case("tdm, last pass", "vp", tdm(1e-3), both(4.5, 1, False), {"error": interval_error, "reduce": mean}, brief=True,
     **chain | {"passes": 4, "t": [40, 110, 180, 240]})  # fmt: skip
case("sim, squared", "vp", sim(None), both(1, 1, True), eps)
case("sim, huber", "vp", sim(0.5), both(1, 1, True), eps)
for name in DIVERGENCES:
    case(f"fDistill, {name}", "vp", f_distill(name, [3, 3, 3, 7]),
         both(1.75, 1, False) | {"logit": ("discriminator:teacher", "head", True, "xt")},
         {"error": sample_error, "reduce": mean, "critic": ("head", "teacher", softplus_critic(1), "xt")}
         if name == "jensen-shannon" else None, t=[310, 340, 380, 700], brief=name != "jensen-shannon")  # fmt: skip
case("fDistill, as it is", "vp", f_descent,
     both(1.75, 1, False) | {"logit": ("discriminator:teacher", "head", False, "xt")},
     t=[310, 340, 380, 700], brief=True)  # fmt: skip
case("sim, scores", "vp", sim_of_scores, both(1, 1, True), brief=True)
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
