/** Where an equation comes from: its code, the test that holds it to its formula, and its paper. */
import type { Contestant } from "../state";

export interface Source {
  /** Files of the repository and what to look for in them. */
  readonly code: { readonly path: string; readonly symbol: string };
  readonly test: { readonly path: string; readonly symbol: string };
  /** The paper's number at arXiv. */
  readonly paper: string;
}

const of = (symbol: string, file: string, test: string, paper: string): Source => ({
  code: { path: `src/methods/${file}.ts`, symbol },
  test: { path: `test/methods/${test}.test.ts`, symbol },
  paper,
});

/** Of each method. */
export const sources: Readonly<Record<Contestant["method"], Source>> = {
  sid: of("sid", "sid", "sid-family", "2404.04057"),
  "sid-lsg": of("sidLsg", "sid-lsg", "sid-family", "2406.01561"),
  "few-step-sid": of("fewStepSid", "few-step-sid", "sid-family", "2505.12674"),
  "sid-dit": of("sidDit", "sid-dit", "sid-family", "2509.25127"),
  sida: of("sida", "sida", "sida", "2410.14919"),
  sim: of("sim", "sim", "sid-family", "2410.16794"),
  sds: of("sds", "sds", "stopped-gradient-family", "2209.14988"),
  csd: of("csd", "csd", "stopped-gradient-family", "2310.19415"),
  vsd: of("vsd", "vsd", "stopped-gradient-family", "2305.16213"),
  "swift-brush": of("swiftBrush", "swift-brush", "stopped-gradient-family", "2312.05239"),
  "diff-instruct": of("diffInstruct", "diff-instruct", "stopped-gradient-family", "2305.18455"),
  dmd: of("dmd", "dmd", "stopped-gradient-family", "2311.18828"),
  dmd2: of("dmd2", "dmd2", "stopped-gradient-family", "2405.14867"),
  "decoupled-dmd": of("decoupledDmd", "decoupled-dmd", "stopped-gradient-family", "2511.22677"),
  tdm: of("tdm", "tdm", "stopped-gradient-family", "2503.06674"),
  "f-distill": of("fDistill", "f-distill", "f-distill", "2502.15681"),
  lcm: of("lcm", "lcm", "lcm", "2310.04378"),
};

/** A link as it is shown. */
export interface SourceLink {
  readonly text: string;
  readonly address: string;
}

/**
 * The links of a method, `site` being the address of the site's root. A file opens where the function is: browsers look for
 * the text after `:~:`, which outlives changes of lines, and others open the file.
 */
export function linksOf(method: Contestant["method"], site: string): SourceLink[] {
  const { code, test, paper } = sources[method];
  const page = (path: string, text: string) => `${site}source/${path}.html#:~:text=${encodeURIComponent(text)}`;
  return [
    { text: `code: ${code.path}, ${code.symbol}`, address: page(code.path, `export function ${code.symbol}`) },
    { text: `test: ${test.path}`, address: page(test.path, `${test.symbol}(`) },
    { text: `paper: arXiv:${paper}`, address: `https://arxiv.org/abs/${paper}` },
  ];
}
