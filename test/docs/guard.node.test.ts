import { expect, it } from "vitest";
import { guard } from "../../docs/.vitepress/theme/guard";

/** The router's two ways, as VitePress goes them; tells where the reader is then. */
function site(mayLeave: () => boolean) {
  const router: Parameters<typeof guard>[0] = {};
  const at = { bar: "/train.html", page: "/train.html" };
  const putBack = (address: string) => {
    at.bar = address;
  };
  const end = guard(router, mayLeave, { address: () => at.bar, putBack });
  const load = async (href: string) => {
    if ((await router.onBeforePageLoad?.(href)) === false) return;
    at.page = href;
  };
  return {
    ...{ router, at, end },
    async follow(href: string) {
      if ((await router.onBeforeRouteChange?.(href)) === false) return;
      at.bar = href;
      await load(href);
    },
    async back(href: string) {
      at.bar = href;
      await load(href);
    },
  };
}

it("asks once before a link is followed and after a step back, and puts a refused one's address back", async () => {
  let [asked, answer] = [0, false];
  const reader = site(() => {
    asked++;
    return answer;
  });
  await reader.follow("/faq.html");
  expect([asked, reader.at]).toEqual([1, { bar: "/train.html", page: "/train.html" }]);
  await reader.back("/index.html");
  expect([asked, reader.at]).toEqual([2, { bar: "/train.html", page: "/train.html" }]);
  await reader.follow("/train.html#a");
  expect(asked).toBe(2);
  answer = true;
  await reader.follow("/faq.html");
  expect([asked, reader.at]).toEqual([3, { bar: "/faq.html", page: "/faq.html" }]);
});

it("leaves no trace in the router", () => {
  const reader = site(() => true);
  reader.end();
  expect(reader.router).toEqual({});
});
