/**
 * A formula's Unicode, as the doc comments and documents hold it, in TeX. There it is Unicode so that an editor's hover, GitHub
 * and npm show it as it is; `x_t`, `f_φ,κ4`, `x_{i+1}`, `a^(1/ρ)`, `Σ_a^½`, `√(…)` and words have the meaning that they seem to have.
 */

const functions = new Set(
  "KL BCE SiD N U E exp log ln min max mean cos tr tanh softplus sigmoid softmax silu norm act attention".split(" "),
);
const symbols: Readonly<Record<string, string>> = {
  "⊙": "\\odot ",
  "·": "\\cdot ",
  "×": "\\times ",
  "∫": "\\int ",
  "∇": "\\nabla ",
  "∂": "\\partial ",
  "∈": "\\in ",
  "∃": "\\exists ",
  "∅": "\\varnothing ",
  "∞": "\\infty ",
  "≤": "\\le ",
  "≥": "\\ge ",
  "≠": "\\ne ",
  "→": "\\to ",
  "←": "\\leftarrow ",
  "⟨": "\\langle ",
  "⟩": "\\rangle ",
  "−": "-",
  "±": "\\pm ",
  "…": "\\dots ",
  "½": "\\tfrac12 ",
  "‖": "\\Vert ",
  "|": "\\vert ",
  "%": "\\%",
  "#": "\\#",
  "{": "\\{",
  "}": "\\}",
  "′": "'",
  "″": "''",
  "~": "\\sim ",
};
const raised: Readonly<Record<string, string>> = {
  "⁰": "0",
  "¹": "1",
  "²": "2",
  "³": "3",
  "⁻": "-",
  ᵀ: "\\top ",
  ᵏ: "k",
};
const lowered: Readonly<Record<string, string>> = { "₀": "0", "₁": "1", "₂": "2", "₃": "3", ₓ: "\\times " };
const greek: Readonly<Record<string, string>> = Object.fromEntries(
  "α alpha β beta γ gamma δ delta ε varepsilon η eta θ theta κ kappa λ lambda μ mu π pi ρ rho σ sigma φ varphi ψ psi ω omega"
    .split(" ")
    .flatMap((letter, i, all) => (i % 2 === 0 ? [[letter, `\\${all[i + 1]} `]] : [])),
);
const accents: Readonly<Record<string, string>> = { "\u0302": "\\hat", "\u0304": "\\bar", "\u0303": "\\tilde" };

/** Equations that stand side by side, with three blanks or more between them, each in TeX. */
export function equationsOf(line: string): string[] {
  return line.trim().split(/ {3,}/).map(toTex);
}

/** Where the bracket at `from` closes. */
function closing(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text[i] === "(") depth++;
    if (text[i] === ")" && --depth === 0) return i;
  }
  throw new Error(`a bracket is not closed: ${text}`);
}

/** One equation in TeX. */
export function toTex(formula: string): string {
  const text = formula.replace(/\p{L}\p{M}?/gu, (letter) => letter.normalize("NFD"));
  let tex = "";
  let at = 0;
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at += match[0].length;
    return match;
  };
  while (at < text.length) {
    const root = take(/√(?=\()/y);
    if (root) {
      const end = closing(text, at);
      tex += `\\sqrt{${toTex(text.slice(at + 1, end))}}`;
      at = end + 1;
      continue;
    }
    if (take(/√/y)) {
      const radicand = take(/\p{L}\p{M}?|\d+/uy);
      tex += `\\sqrt{${toTex(radicand?.[0] ?? "")}}`;
      continue;
    }
    if (take(/\^(?=\()/y)) {
      const end = closing(text, at);
      tex += `^{${toTex(text.slice(at + 1, end))}}`;
      at = end + 1;
      continue;
    }
    const power = take(/\^(½|[\p{L}\d.]+)/uy);
    if (power) {
      tex += `^{${toTex(power[1] ?? "")}}`;
      continue;
    }
    const index = take(/_\{([^{}]*)\}|_([\p{Ll}\p{Lu}\p{Nd}∅]+(?:[′']|\|\p{L})?(?:,[\p{L}∅]\d?(?![\p{L}\d]))?)/uy);
    if (index) {
      tex += `_{${subscript(index[1] ?? index[2] ?? "")}}${take(/\*/y) ? "^{*}" : ""}`;
      continue;
    }
    const up = take(/[⁰¹²³⁻ᵀᵏ]+/uy);
    if (up) {
      tex += `^{${[...up[0]].map((letter) => raised[letter]).join("")}}`;
      continue;
    }
    const down = take(/[₀₁₂₃ₓ]+/uy);
    if (down) {
      tex += `_{${[...down[0]].map((letter) => lowered[letter]).join("")}}`;
      continue;
    }
    // Σ is a sum but where it is a covariance, which comes in a trace.
    if (take(/Σ/y)) {
      tex += /tr\(/.test(text) ? "\\Sigma " : "\\sum\\nolimits ";
      continue;
    }
    const tiny = take(/(\d*\.?\d*)e-(\d+)/y);
    if (tiny) {
      tex += `${tiny[1] === "1" ? "" : `${tiny[1]}\\cdot `}10^{-${tiny[2]}}`;
      continue;
    }
    const called = take(/([A-Za-z]{2,})(?=[(_²])/y) ?? take(/(exp|log|ln|mean|min|max|softplus|BCE|KL)(?= )/y);
    if (called) {
      tex += functions.has(called[1] ?? "") ? `\\operatorname{${called[1]}}` : `\\text{${called[1]}}`;
      if (text[at] === " ") tex += "\\,";
      continue;
    }
    const differential = take(/d(?=[A-Z])([A-Z]+)/y);
    if (differential) {
      tex += `d\\mathrm{${differential[1]}}`;
      continue;
    }
    // Words with what lies between them: hyphens, commas, blanks.
    const words = take(/[A-Za-z]{2,}(?:[-–.,:' ]*(?:[A-Za-z-]{2,}|\d+(?= [a-z]{2})|a(?= [a-z]{2})))*/y);
    if (words) {
      tex += `\\text{${text[at - words[0].length - 1] === " " ? " " : ""}${words[0]}${text[at] === " " ? " " : ""}}`;
      continue;
    }
    const letter = take(/(\p{L})([\u0302\u0303\u0304])?(\d(?!\d))?(\*(?= ))?/uy);
    if (letter) {
      const [, name = "", accent, digit, star] = letter;
      const plain = greek[name] ?? name;
      tex += accent ? `${accents[accent]}{${plain.trim()}}` : plain;
      if (digit) tex += `_{${digit}}`;
      if (star) tex += "^{*}";
      continue;
    }
    if (take(/\+=/y)) {
      tex += "\\mathrel{+}=";
      continue;
    }
    const [one = ""] = text.slice(at);
    tex += symbols[one] ?? one;
    at += one.length;
  }
  return tex;
}

/** Words stand upright; κ4 is κ with a 4 beside it. */
function subscript(text: string): string {
  return text
    .split(/([,|])/)
    .map((part) => (/^[a-z]{2,}$/i.test(part) ? `\\text{${part}}` : toTex(part)))
    .join("");
}
