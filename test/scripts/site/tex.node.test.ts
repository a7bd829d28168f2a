import { expect, test } from "vitest";
import { equationsOf, toTex } from "../../../scripts/site/tex";

test.each([
  ["x_t", "x_{t}"],
  ["f_φ,κ4(x_t, t)", "f_{\\varphi ,\\kappa _{4}}(x_{t}, t)"],
  ["x_{i+1}", "x_{i+1}"],
  ["f_ψ*", "f_{\\psi }^{*}"],
  ["s_t²", "s_{t}^{2}"],
  ["Σ_samples ω", "\\sum\\nolimits _{\\text{samples}} \\omega "],
  ["J_φᵀ·g_φ", "J_{\\varphi }^{\\top }\\cdot g_{\\varphi }"],
  ["a^(1/ρ) + tr(Σ_a^½)", "a^{1/\\rho } + \\operatorname{tr}(\\Sigma _{a}^{\\tfrac12 })"],
  ["√(D² + c²)/√d", "\\sqrt{D^{2} + c^{2}}/\\sqrt{d}"],
  ["x̂0 − h̄(r)", "\\hat{x}_{0} - \\bar{h}(r)"],
  ["L_θ += 1e-3·d′(y)", "L_{\\theta } \\mathrel{+}= 10^{-3}\\cdot d'(y)"],
  ["softplus(−D), with a discriminator", "\\operatorname{softplus}(-D), \\text{ with a discriminator}"],
  ["x ≠ x'", "x \\ne  x'"],
])("%s", (formula, tex) => expect(toTex(formula)).toBe(tex));

test("equations side by side come apart", () => {
  expect(equationsOf("    a = b,   b = c")).toEqual(["a = b,", "b = c"]);
});

test("a bracket that is not closed is told", () => {
  expect(() => toTex("√(a + b")).toThrow("a bracket is not closed");
});
