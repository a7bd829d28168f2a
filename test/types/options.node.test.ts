import { readdirSync } from "node:fs";
import { relative, resolve } from "node:path";
import ts from "typescript";
import { beforeAll, describe, expect, test } from "vitest";

/** Interfaces with an optional field that may have more fields than they name, and why. */
const open: Readonly<Record<string, string>> = {
  ConditionSource: "a structural object, often of a class",
  ScoreModel: "a structural object, often of a class",
  GaussianModel: "a ScoreModel",
  GaussianMixtureModel: "a ScoreModel",
  Unet: "a ScoreModel",
  Lora: "a ScoreModel",
  GeneratorModel: "a structural object, often of a class",
  Discriminator: "a structural object, often of a class",
  Moment: "made by the loop",
  Circumstances: "made by the loop",
  DataInputs: "made by the loop",
  GeneratorGradients: "what generatorGradients returns",
  DistillMetrics: "what a run yields",
  FeatureBatch: "what a FeatureNetwork returns",
  FeatureTensors: "what a FeatureNetwork returns",
  ImageSource: "a structural object, often of a class",
  ImageSample: "what an ImageSource draws",
  ModelComponent: "what readComponent returns, or more",
};

const config = ts.getParsedCommandLineOfConfigFile(
  "tsconfig.json",
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: () => {},
  },
) as ts.ParsedCommandLine;
const roots = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.includes("assembly/"))
  .map((name) => resolve("src", name));
let program: ts.Program;
let checker: ts.TypeChecker;
beforeAll(() => {
  program = ts.createProgram(roots, config.options);
  checker = program.getTypeChecker();
});

const pathOf = (node: ts.Node) => relative(".", node.getSourceFile().fileName);

const isUndefined = ({ kind }: ts.TypeNode) => kind === ts.SyntaxKind.UndefinedKeyword;

/** Every node of the library's own sources. */
function* nodes(): Generator<ts.Node> {
  function* within(node: ts.Node): Generator<ts.Node> {
    yield node;
    for (const child of node.getChildren()) yield* within(child);
  }
  for (const file of program.getSourceFiles()) if (roots.includes(resolve(file.fileName))) yield* within(file);
}

/** The exported interfaces of all subpaths that have an optional field. */
function publicInterfaces(): ts.Symbol[] {
  const entries = program.getSourceFiles().filter((file) => /^src\/(\w+\/)*index\.ts$/.test(pathOf(file)));
  const all = entries.flatMap((file) => checker.getExportsOfModule(checker.getSymbolAtLocation(file) as ts.Symbol));
  const resolved = all.map((symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
  );
  return [...new Set(resolved)].filter(
    (symbol) =>
      symbol.flags & ts.SymbolFlags.Interface &&
      checker
        .getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))
        .some((p) => p.flags & ts.SymbolFlags.Optional),
  );
}

describe("objects of options and inputs", () => {
  test("every optional field may be undefined, so that what may be absent can be handed on", () => {
    const members = publicInterfaces().flatMap(({ declarations = [] }) =>
      declarations.flatMap((one) => (ts.isInterfaceDeclaration(one) ? [...one.members] : [])),
    );
    const optional = members.filter(ts.isPropertySignature).filter(({ questionToken }) => questionToken);
    const without = optional
      .filter(({ type }) => !(type && ts.isUnionTypeNode(type) && type.types.some(isUndefined)))
      .map((member) => `${pathOf(member)}: ${member.name.getText()}`);
    expect(optional.length).toBeGreaterThan(130);
    expect(without).toEqual([]);
  });

  test("every public one with an optional field refuses keys that it does not know", () => {
    const closed = new Set<string>();
    const close = (type: ts.Type): void => {
      if (type.symbol !== undefined) closed.add(type.symbol.name);
      for (const base of type.getBaseTypes() ?? []) close(base);
    };
    for (const node of nodes())
      if (ts.isCallExpression(node) && node.arguments.length === 4) {
        const at = { checkObject: 2, settleOptions: 1 }[node.expression.getText()];
        if (at !== undefined)
          close(checker.getNonNullableType(checker.getTypeAtLocation(node.arguments[at] as ts.Node)));
      }
    const careless = publicInterfaces()
      .map(({ name }) => name)
      .filter((name) => !closed.has(name) && !(name in open));
    expect(careless).toEqual([]);
    expect(Object.keys(open).filter((name) => closed.has(name))).toEqual([]);
    expect(closed.size).toBeGreaterThan(40);
  });
});
