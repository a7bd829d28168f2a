/** `<Live part="laboratory"/>`: a part that computes, a plain module that comes once the page is there and goes with it. */
import { useRouter, withBase } from "vitepress";
import { defineComponent, h, onBeforeUnmount, onMounted, ref } from "vue";
import type { Mount, Unmount } from "../../../examples/common/live.ts";
import { guard } from "./guard.ts";

/** Not for the build, which renders pages without a browser. */
const parts: Readonly<Record<string, () => Promise<{ readonly mount: Mount }>>> = import.meta.env.SSR
  ? {}
  : {
      laboratory: () => import("../../../examples/laboratory/page/mount.ts"),
      landing: () => import("../../../examples/browser/landing.ts"),
      draw: () => import("../../../examples/browser/page.ts"),
      training: () => import("../../../examples/browser/training/page.ts"),
    };

export const Live = defineComponent({
  props: { part: { type: String, required: true } },
  setup({ part }) {
    const element = ref<HTMLElement>();
    const router = useRouter();
    let unmount: Unmount | undefined;
    let unguard: (() => void) | undefined;
    let gone = false;
    onMounted(async () => {
      const place = { site: new URL(withBase("/"), location.href).href };
      try {
        const { mount } = await (parts[part] as () => Promise<{ mount: Mount }>)();
        if (gone || !element.value) return;
        unmount = mount(element.value, place);
        if (unmount.mayLeave)
          unguard = guard(router, unmount.mayLeave, {
            address: () => `${location.pathname}${location.search}${location.hash}`,
            putBack: (address) => history.pushState({}, "", address),
          });
      } catch (error) {
        element.value?.replaceChildren(
          `This part of the page could not be loaded: ${error}. Reload the page to try again.`,
        );
      }
    });
    onBeforeUnmount(() => {
      gone = true;
      unguard?.();
      unmount?.();
    });
    return () => h("div", { ref: element, class: "live" }, [h("p", { class: "waiting" }, "Loading …")]);
  },
});
