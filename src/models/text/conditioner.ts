import { checkFunction, checkMethods, checkObject, describe } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { TextConditioner } from "../types";
import type { ClipTextEncoder } from "./clip-text-encoder";
import type { Tokenizer } from "./tokenizer";

/** The two halves of {@link textConditioner}. */
export interface TextConditionerOptions {
  /** Prompts to token ids. */
  readonly tokenizer: Tokenizer;
  /** Token ids to states `[B, tokens, dim]`. */
  readonly encoder: Pick<ClipTextEncoder, "encode">;
}

/**
 * Joins a tokenizer and a text encoder: `prompts → [B, tokens, dim]`. The empty prompt gives the
 * unconditional text, which guidance takes as `uncond`. What becomes of a prompt that is too long is the
 * tokenizer's to say: `clipTokenizer` cuts and warns, `wordTokenizer` throws.
 *
 * @param options - the tokenizer and the encoder, which stays the caller's.
 * @returns a conditioner; differentiable in the encoder's variables. It throws SidError
 *   `invalid-argument` for anything but a list of prompts, and what tokenizer and encoder throw.
 * @throws SidError `invalid-argument` unless both halves are there.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { clipTextEncoder, parseClipTextConfig, textConditioner, wordTokenizer } from "sid-lsg/models";
 *
 * const tokenizer = wordTokenizer(["red", "green", "seven"], { maxLength: 5 });
 * const config = parseClipTextConfig({
 *   vocab_size: tokenizer.vocabularySize, max_position_embeddings: 5,
 *   hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2,
 * });
 * const encoder = clipTextEncoder(config, { name: "text", weights: randomStream(0) });
 * const text = textConditioner({ tokenizer, encoder });
 * console.log(text.encode(["red seven", "green seven"]).shape); // [2, 5, 8]
 * console.log(text.encode([""]).shape); // [1, 5, 8]
 * encoder.dispose();
 * ```
 */
export function textConditioner(options: TextConditionerOptions): TextConditioner {
  const { tokenizer, encoder } = checkObject("textConditioner", "options", options, { tokenizer: 1, encoder: 1 });
  checkFunction("textConditioner", "tokenizer", tokenizer);
  checkMethods("textConditioner", "encoder", encoder, "a text encoder", ["encode"]);
  return {
    encode(prompts) {
      if (!Array.isArray(prompts) || prompts.length === 0 || [...prompts].some((prompt) => typeof prompt !== "string"))
        throw new SidError(
          "invalid-argument",
          `textConditioner: wanted at least one prompt, as strings, got ${describe(prompts)}.`,
        );
      return encoder.encode(tokenizer(prompts));
    },
  };
}
