/**
 * A formula's Unicode as HTML: `x_t`, `f_φ,κ4` and `x_{i+1}` get subscripts, `a^(1/ρ)` and `Σ^½` exponents, single
 * letters slant. Equations that stand side by side in a line may come apart only between them.
 */
export function setFormula(html) {
  return html.split("\n").map(setLine).join("\n");
}

function setLine(text) {
  const scripts = text
    .replace(/\^(?:\(((?:[^()]|\([^()]*\))*)\)|([½\p{L}\d]+))/gu, (_, whole, short) => `<sup>${whole ?? short}</sup>`)
    .replace(/_\{([^{}]*)\}/g, "<sub>$1</sub>")
    .replace(/(?<=[\p{L}\p{M}∅∂∇])_([\p{Ll}\p{Lu}\p{N}∅]+(?:,[\p{L}∅]\d?(?![\p{L}\d]))?)/gu, "<sub>$1</sub>");
  const pieces = scripts.split(/(<[^>]*>|&[a-z\d#]+;)/i);
  const line = pieces.map((piece, i) => (i % 2 === 1 ? piece : slant(piece))).join("");
  const equations = line.split(/(?<=,) {3,}/);
  return equations.length === 1 ? line : equations.map((equation) => `<span>${equation}</span>`).join(" ");
}

/** Words and functions stand upright, and so do the capitals of sums. */
function slant(text) {
  return text.replace(/(?<![\p{L}\d])([a-zα-ωA-Z∂∅]\p{M}?)(?![\p{L}])/gu, "<i>$1</i>");
}
