/** The page by itself; as a part of another one it is `mount` of page.ts. */
import { byId } from "./elements";
import { mount } from "./page";

mount(byId(document, "page", HTMLElement), { site: document.baseURI, files: "./" });
