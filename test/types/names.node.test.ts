import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

const { options } = ts.getParsedCommandLineOfConfigFile(
  "tsconfig.json",
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: () => {},
  },
) as ts.ParsedCommandLine;
const names = (symbols: readonly ts.Symbol[]) => symbols.map(({ name }) => name);

test("no exported name is one of the language, of a page or of TensorFlow.js", () => {
  const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as {
    exports: Readonly<Record<string, unknown>>;
  };
  const entries = Object.keys(exports)
    .filter((name) => !name.endsWith(".json"))
    .map((name) => join("src", name, "index.ts"));
  const program = ts.createProgram([...entries, "test/types/tfjs.ts"], options);
  const checker = program.getTypeChecker();
  const exportsOf = (path: string) => {
    const file = program.getSourceFile(path) as ts.SourceFile;
    return checker.getExportsOfModule(checker.getSymbolAtLocation(file) as ts.Symbol);
  };
  const own = new Set(entries.flatMap((path) => names(exportsOf(path))));
  expect(own.size).toBeGreaterThan(250);
  expect(own).toContain("distill");

  const everything = ts.SymbolFlags.Value | ts.SymbolFlags.Type | ts.SymbolFlags.Namespace;
  const globals = program
    .getSourceFiles()
    .filter((file) => program.isSourceFileDefaultLibrary(file))
    .flatMap((file) => names(checker.getSymbolsInScope(file, everything)));
  const tfjs = names(exportsOf("test/types/tfjs.ts"));
  expect(new Set(globals).size).toBeGreaterThan(1000);
  expect(tfjs).toContain("TensorInfo");
  const taken = new Set([...globals, ...tfjs]);
  expect([...own].filter((name) => taken.has(name))).toEqual([]);
});
