import { constants } from "node:buffer";
import { absent, captionOf, guessKey } from "./formats";

/** Throws where a file's text is longer than Node's strings may be. */
export function checkDocumentSize(bytes: number): void {
  if (bytes > constants.MAX_STRING_LENGTH)
    throw new Error(
      `begins like one JSON document, of ${(bytes / 1e6).toFixed(0)} MB, of which Node can read ` +
        `${(constants.MAX_STRING_LENGTH / 1e6).toFixed(0)} MB at once; write a JSON object per line: jq -c '.annotations[]' FILE > OUT.jsonl`,
    );
}

const remedy = "(A text with a prompt per line begins with a line that is no JSON.)";

/** The captions of a JSON document: COCO's `annotations`, or a list of texts or of objects. */
export function documentPrompts(text: string, captionKey: string | undefined) {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`begins like JSON, but is none: ${(cause as Error).message} ${remedy}`, { cause });
  }
  const { annotations } = Object(value);
  const list = Array.isArray(value) ? value : annotations;
  if (!Array.isArray(list))
    throw new Error(
      `wanted a list, or COCO's "annotations", in the JSON document; there is ${Object.keys(Object(value)).slice(0, 12).join(", ") || "nothing"}`,
    );
  const path = list === value ? "" : "annotations";
  const first = list[0];
  const key = captionKey ?? guessKey(Object.keys(Object(first)));
  if (path !== "" && typeof first === "object" && key === undefined)
    throw new Error(`${absent(key, Object.keys(Object(first)))}. COCO's captions are in captions_*.json`);
  const prompts = list.map((row, i) => {
    try {
      return captionOf(row, key);
    } catch (cause) {
      throw new Error(`${path}[${i}]: ${(cause as Error).message}${path === "" ? ` ${remedy}` : ""}`, { cause });
    }
  });
  const name = typeof first === "string" ? "a JSON list" : `a JSON document, ${path}[].${key}`;
  const some = prompts.filter((prompt) => prompt !== "");
  return { name, prompts: some, empty: prompts.length - some.length };
}
