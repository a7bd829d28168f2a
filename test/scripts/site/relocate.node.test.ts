import { expect, test } from "vitest";
import { baseScript, relocatePage, relocateScript } from "../../../scripts/site/relocate";

const run = (code: string, siteBase: string) => new Function("globalThis", `${code}; return [a, b];`)({ siteBase });

test("strings and templates of a script put the folder in when they are read", () => {
  const script = relocateScript('const a = "/__base__/x.js"; const b = `$' + "{1 + 1}: /__base__/y and '/__base__/'`;");
  expect(run(script, "/a/b/")).toEqual(["/a/b/x.js", "2: /a/b/y and '/a/b/'"]);
  expect(run(script, "/")).toEqual(["/x.js", "2: /y and '/'"]);
});

test("a script without it stays, one that imports by it is refused", () => {
  expect(relocateScript("export {}")).toBe("export {}");
  expect(() => relocateScript('import "/__base__/x.js"')).toThrow("imported by the folder");
  expect(() => relocateScript('a = { "/__base__/": 1 }')).toThrow("in a name");
});

test("a page's links go up from where it lies, its first script finds the folder", () => {
  const page = `<script>${baseScript};</script><a href="/__base__/guide/">g</a><script>x = "/__base__/"</script>`;
  expect(relocatePage(page, 2)).toBe(
    '<script>globalThis.siteBase=new URL("../../",location.href).pathname;</script><a href="../../guide/">g</a>' +
      '<script>x = "/__base__/".replaceAll("/__base__/",globalThis.siteBase)</script>',
  );
  expect(relocatePage('<link href="/__base__/a.css">', 0)).toBe('<link href="./a.css">');
});
