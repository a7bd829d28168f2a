/** To take along: the state as a link, and as a program. */
import type { LabState } from "../state";
import { button, make } from "./dom";

export interface Share {
  readonly element: HTMLElement;
  /** Copies the link of what is shown. */
  readonly copyLink: HTMLButtonElement;
  show(state: LabState): void;
  /** Says whether a step size moved while it trained. */
  moved(is: boolean): void;
}

/** The address of a link on this page. */
function addressOf(link: string): string {
  const address = new URL(location.href);
  address.hash = link;
  return address.href;
}

const movedWords =
  "A step size was moved while it trained; link and program have it from the first iteration on. Start again for the program's numbers.";

/** `link` is that of what is shown now. */
export function makeShare(link: () => string): Share {
  let state: LabState;
  const said = make("span", { class: "lab-note", role: "status" });
  const code = make("code");
  const block = make("pre", { tabindex: 0, class: "lab-code" }, code);
  const copyLink = button("Copy link", () => copy(addressOf(link()), copyLink, "Copy link"));
  const copyCode = button("Copy", () => copy(code.textContent ?? "", copyCode, "Copy"));
  const moved = make("p", { hidden: true }, movedWords);
  const fold = make(
    "details",
    { class: "lab-share" },
    make("summary", {}, "The same run as a program for Node"),
    make("p", {}, "It needs the package alone, and ends with the numbers of this page where the backend is the same."),
    moved,
    copyCode,
    said,
    block,
  );
  const fill = async () => {
    if (!fold.open) return;
    const { toSnippet } = await import("../snippet");
    code.textContent = toSnippet(state);
  };
  fold.addEventListener("toggle", fill);

  async function copy(text: string, pressed: HTMLButtonElement, label: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      pressed.textContent = "Copied";
    } catch {
      // Without the right to the clipboard the reader copies by hand.
      said.textContent = "The browser keeps pages from its clipboard: copy by hand.";
      if (pressed === copyLink) prompt("Copy this link:", text);
    }
    setTimeout(() => {
      pressed.textContent = label;
    }, 1500);
  }

  return {
    ...{ element: fold, copyLink },
    show(next) {
      state = next;
      fill();
    },
    moved(is) {
      moved.hidden = !is;
    },
  };
}
