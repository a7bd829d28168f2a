/** The equation of every method's generator step, with a contestant's numbers in it. */
import type { Contestant } from "../state";
import { type Equation, factorOf, type Numbers, numbersOf, numeral, type Piece, type Term } from "./notation";

const generated: Term = {
  name: "generated",
  symbol: "x",
  below: "g",
  words: "The generator's sample: what it made of noise and of the class.",
};

const noisy: Term = {
  name: "noisy",
  symbol: "x",
  below: "t",
  words: "The sample with the noise of time t: what the networks are asked about.",
};

const delta: Term = {
  name: "delta",
  symbol: "δ",
  words:
    "From what the fake score thinks to what the teacher thinks: which way, from here, the data lie from the samples.",
};

const gradient: Term = {
  name: "gradient",
  symbol: "∂L/∂x",
  below: "g",
  words: "The gradient at the sample. The generator moves against it: the arrow shows where the sample is pushed.",
};

const kappaWords = (kappa: number) => {
  if (kappa === 1) return "";
  if (kappa === 0) return " It is asked without the class (κ = 0).";
  if (kappa > 1) return ` It is guided: with κ = ${numeral(kappa)} the class counts for more than it should.`;
  return ` It is guided: with κ = ${numeral(kappa)} the class counts for less than it should.`;
};

const subscript = (of: string, kappa: number, name: string) =>
  kappa === 1 ? of : `${of}, ${name} = ${numeral(kappa)}`;

const teacher = ({ kappa4, guided }: Numbers): Term => ({
  name: "teacher",
  symbol: "f",
  below: subscript("φ", kappa4, guided ? "κ4" : "κ"),
  words: `What the teacher thinks the clean sample is, seen from x_t.${kappaWords(kappa4)}`,
});

const fake = ({ kappa2, guided }: Numbers): Term => ({
  name: "fake",
  symbol: "f",
  below: subscript("ψ", kappa2, guided ? "κ2" : "κ"),
  words: `What the fake score thinks the clean sample is, seen from x_t: it knows the generator's samples, not the data.${kappaWords(kappa2)}`,
});

const conditional = (below: string): Term => ({
  name: "conditional",
  symbol: "f",
  below,
  words: "What the teacher thinks the clean sample is, told the class.",
});

const unconditional = (below: string): Term => ({
  name: "unconditional",
  symbol: "f",
  below,
  words: "What the teacher thinks the clean sample is, not told the class.",
});

/** What each ω is, and why. M is written as a term of its own. */
const weights: Readonly<Record<string, readonly [text: string, words: string]>> = {
  l1: ["1/M", "steps of about even size, however far the teacher's guess is"],
  default: ["1/(M + 10⁻⁶)", "steps of about even size, however far the teacher's guess is"],
  "alpha-l1": ["a/M", "as 1/M, less at much noise"],
  snr: ["a²/s²", "the signal-to-noise ratio: little noise counts most"],
  "alpha-sigma": ["a·s", "the middle levels of noise count most"],
  "alpha-squared-sigma": ["a²·s", "the lower middle levels of noise count most"],
  "alpha-over-sigma": ["a/s", "little noise counts more"],
  "one-minus-sigma": ["1 − σ", "σ = s/(a + s): little noise counts more"],
  "one-minus-sigma-squared": ["(1 − σ)²", "σ = s/(a + s): little noise counts more"],
  "inverse-sigma": ["1/σ", "σ = s/(a + s): little noise counts more"],
  "inverse-sigma-squared": ["1/σ²", "σ = s/(a + s): little noise counts far more"],
};

/** Whether ω is made of M. */
export const asksDistance = (weight: string) => ["l1", "default", "alpha-l1"].includes(weight);

/** ω with the sign that follows; nothing where it is 1. */
function omega({ weight }: Numbers): Piece[] {
  const [text, words] = weights[weight] ?? [];
  if (text === undefined) return [];
  return [{ name: "weight", symbol: "ω", words: `How much this sample counts: ${text}, ${words}.` }, " · "];
}

/** What ω is, in which the gradient sees a constant; M is the distance to what the method calls the teacher's answer. */
function omegaLine(numbers: Numbers, answer: readonly Piece[]): Piece[][] {
  const { weight } = numbers;
  const [text] = weights[weight] ?? [];
  const [symbol] = omega(numbers);
  if (text === undefined || symbol === undefined) return [];
  if (!asksDistance(weight)) return [[symbol, ` = ${text}`]];
  const M: Term = {
    name: "meanDistance",
    symbol: "M",
    words: "How far the teacher's guess is from the sample, the mean over both coordinates.",
  };
  const [before, after] = text.split("M") as [string, string];
  return [[symbol, ` = ${before}`, M, `${after},  `, M, " = mean |", generated, " − ", ...answer, "|"]];
}

const noising = (): Piece[] => [noisy, " = a·", generated, " + s·ε"];
const difference = (numbers: Numbers): Piece[] => [delta, " = ", teacher(numbers), " − ", fake(numbers)];

/** A factor and the sign that follows; nothing where it is 1. */
const times = (factor: number) => (factor === 1 ? "" : `${factor === 0.5 ? "½" : numeral(factor)} · `);

/** ∂L/∂x_g: its direct part, and what flows through networks. */
function gradientLine(
  numbers: Numbers,
  direct: Pick<Term, "symbol" | "below">,
  through: string,
  words: string,
): Piece[] {
  const factor = times(factorOf(numbers));
  return [
    ...[gradient, " = ", `${factor}${factor && "("}`],
    {
      ...direct,
      name: "direct",
      words: "What the sample itself is told: the part of the gradient that flows through no network.",
    },
    ...[" + ", { name: "through", symbol: through, words } as const],
    ...(factor ? [")"] : []),
  ];
}

const throughBoth =
  "What flows through the networks: how their answers would change if the sample moved. It costs a backward pass of each.";

/** SiD and its like: the gradient flows through both networks. */
function scoreIdentity(numbers: Numbers): Equation {
  const { alpha, method, adversarial, reduction } = numbers;
  const alphaDelta: Term = {
    name: "alphaDelta",
    symbol: `${alpha === 1 ? "" : `${numeral(alpha)} `}δ`,
    words: `So many times δ, α = ${numeral(alpha)}, is taken away from the way to the teacher's guess.`,
  };
  const u: Term = {
    name: "combination",
    symbol: "u",
    words:
      "From the sample to the teacher's guess, less α times δ; at α = 1 that is the way to the fake score's guess.",
  };
  const adds = method === "sida" && adversarial > 0;
  return [
    [
      ...["L = ", times(factorOf(numbers)), ...omega(numbers), "Σ ", delta, " ⊙ ", u],
      ...(adds ? [` + ½·${numeral(adversarial)}·${reduction === "sum" ? "d·" : ""}mean ω·BCE(D(x_t), real)`] : []),
    ],
    difference(numbers),
    [u, " = (", teacher(numbers), " − ", generated, ") − ", alphaDelta],
    ...omegaLine(numbers, [teacher(numbers)]),
    noising(),
    gradientLine(
      numbers,
      { symbol: omega(numbers).length > 0 ? "−ω δ" : "−δ" },
      adds ? "through φ, ψ and D" : "through φ and ψ",
      adds
        ? `${throughBoth} The discriminator D reads the fake score's features, and its part flows here too.`
        : throughBoth,
    ),
  ];
}

function sim(numbers: Numbers): Equation {
  const { huber } = numbers;
  const slope: Term = {
    name: "slope",
    symbol: "d′",
    words:
      huber === undefined
        ? "The slope of the squared distance of both guesses: twice the way from the teacher's to the fake score's."
        : "The slope of the pseudo-Huber distance of both guesses: from the teacher's to the fake score's, at most 1 long.",
  };
  return [
    ["L = −", times(factorOf(numbers)), ...omega(numbers), "Σ ", slope, " ⊙ (", fake(numbers), " − ", generated, ")"],
    difference(numbers),
    [
      slope,
      " = ",
      ...(huber === undefined ? ["−2 ", delta] : ["−", delta, " / √(‖", delta, `‖² + ${numeral(huber)}²)`]),
    ],
    ...omegaLine(numbers, [teacher(numbers)]),
    noising(),
    gradientLine(numbers, { symbol: omega(numbers).length > 0 ? "ω d′" : "d′" }, "through φ and ψ", throughBoth),
  ];
}

/** Methods that push the sample and differentiate no network: g of what stands in brackets. */
function pushed(numbers: Numbers, bracket: readonly Piece[], answer: readonly Piece[], more: Equation = []): Equation {
  const { method, adversarial } = numbers;
  const g: Term = {
    name: "direct",
    symbol: "g",
    words: "What the method tells the sample, a constant: no network is differentiated.",
  };
  const ratio: Piece[] = [
    {
      name: "ratio",
      symbol: "h̄(r)",
      words:
        "How much the divergence lets this sample count, of the ratio r that the discriminator tells, relative to the others.",
    },
    " · ",
  ];
  const through: Term = {
    name: "through",
    symbol: "through D",
    words: `What the discriminator D adds: ${numeral(adversarial / factorOf(numbers))} times the slope of softplus(−D).`,
  };
  const adds = ["dmd2", "f-distill"].includes(method) && adversarial > 0;
  const factor = times(factorOf(numbers));
  return [
    [g, " = ", ...(method === "f-distill" ? ratio : []), ...omega(numbers), ...bracket],
    ...more,
    ...omegaLine(numbers, answer),
    noising(),
    [gradient, " = ", ...(adds ? [factor ? `${factor}(` : "", g, " + ", through, factor ? ")" : ""] : [factor, g])],
  ];
}

function matching(numbers: Numbers): Equation {
  const bracket = ["(", fake(numbers), " − ", teacher(numbers), ")"];
  return pushed(numbers, bracket, [teacher(numbers)], [difference(numbers)]);
}

function decoupled(numbers: Numbers): Equation {
  const { kappa4 } = numbers;
  if (kappa4 === 1) return matching(numbers);
  const plain = { ...numbers, kappa4: 1 };
  const pull: Term = {
    name: "pull",
    symbol: "p",
    words:
      "What guidance adds, asked at another x_t with a time t′ of its own: away from what the teacher thinks of both classes together.",
  };
  const [strength, given, free] = [numeral(kappa4 - 1), conditional("c, t′"), unconditional("∅, t′")];
  return pushed(
    numbers,
    ["[(", fake(plain), " − ", teacher(plain), ") + ", pull, "]"],
    ["(", teacher(plain), " − ", pull, ")"],
    [difference(plain), [pull, ` = ${strength} · (`, free, " − ", given, ")"]],
  );
}

const makers: Readonly<Record<Contestant["method"], (numbers: Numbers) => Equation>> = {
  ...{ sid: scoreIdentity, "sid-lsg": scoreIdentity, "few-step-sid": scoreIdentity, "sid-dit": scoreIdentity },
  ...{ sida: scoreIdentity, sim },
  sds: (numbers) => pushed(numbers, ["(", generated, " − ", teacher(numbers), ")"], [teacher(numbers)]),
  csd: (numbers) => pushed(numbers, ["(", unconditional("∅"), " − ", conditional("c"), ")"], [conditional("c")]),
  ...{ vsd: matching, "swift-brush": matching, "diff-instruct": matching, dmd: matching, dmd2: matching },
  ...{ "decoupled-dmd": decoupled, "f-distill": matching },
  // Of these two no terms are looked at: TDM's x_t is noised within a step of its own chain, LCM learns from real samples.
  tdm: (numbers) => [
    ["g = ", ...omega(numbers), `D / √(D² + ${numeral(numbers.huber ?? 0)}²),  element by element`],
    ["D = ", fake(numbers), " − ", teacher(numbers)],
    ...omegaLine(numbers, [teacher(numbers)]),
    [gradient, ` = ${times(factorOf(numbers))}g`],
  ],
  lcm: (numbers) => [
    [`L = ${times(factorOf(numbers))}‖f_θ(x_t) − f_θ⁻(x_t′)‖²,  x_t of a real x`],
    [`x_t′ = a′·f_${subscript("φ", numbers.kappa4, "κ")} + s′·ε_φ,  one DDIM step of the teacher`],
    ["f = c_skip·x_t + c_out·x̂0"],
  ],
};

/** The equation of a contestant's generator step. */
export function equationOf(contestant: Contestant): Equation {
  return makers[contestant.method](numbersOf(contestant));
}
