import { expect, test } from "vitest";
import { importedNames, linkSymbols } from "../../../scripts/site/symbol-links";

const source =
  'import { type Reducer, sid, vsd } from "sid-lsg";\nimport { mul } from "@tensorflow/tfjs-core";\nsid(mul);\n';
const symbols = new Map([["sid", { path: "x/sid.html", signature: "function sid()" }]]);
const spanOf = (value: string) => {
  const node = {
    type: "element" as const,
    tagName: "span",
    properties: {},
    children: [{ type: "text" as const, value }],
  };
  linkSymbols(symbols, "/base/").span.call({ source }, node);
  return node.children;
};

test("only what is imported from this library is a symbol of it", () => {
  expect([...importedNames(source)]).toEqual(["Reducer", "sid", "vsd"]);
});

test("a symbol leads to its page, and keeps the blanks around it", () => {
  const link = { tagName: "a", properties: { href: "/base/api/x/sid.html", title: "function sid()", class: "symbol" } };
  expect(spanOf(" sid ")).toMatchObject([{ value: " " }, { ...link, children: [{ value: "sid" }] }, { value: " " }]);
  for (const other of ["vsd", "mul", '"sid"', "sid()"]) expect(spanOf(other)).toEqual([{ type: "text", value: other }]);
});
