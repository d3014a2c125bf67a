/** Token ids of a text, as the tokenizer of a release gives them in Python. */

import { Tokenizer } from "@huggingface/tokenizers";

interface Definition {
  added_tokens: { id: number; content: string }[];
  normalizer: { normalizers: Step[] };
  padding: { pad_id: number };
}

interface Step {
  type: string;
  prepend?: string;
}

export interface Tokens {
  ids: Int32Array;
  /** The pieces of the text that the model sees, and the number of those it does not. */
  pieces: string[];
  cut: number;
}

/** A release's tokenizer (tiprdc/datasets/tokenizer.py); the library's own normalizers differ. */
export class TextEncoding {
  private readonly tokenizer: Tokenizer;
  private readonly definition: Definition;

  constructor(
    json: string,
    private readonly length: number,
  ) {
    this.definition = JSON.parse(json) as Definition;
    this.tokenizer = new Tokenizer({ ...this.definition, normalizer: null, added_tokens: [] }, {});
  }

  encode(text: string): Tokens {
    const ids: number[] = [];
    const tokens: string[] = [];
    for (const part of this.parts(text)) {
      const added = this.definition.added_tokens.find(({ content }) => content === part);
      const encoded = added
        ? { ids: [added.id], tokens: [part] }
        : this.tokenizer.encode(this.normalized(part));
      ids.push(...encoded.ids);
      tokens.push(...encoded.tokens);
    }
    const padded = new Int32Array(this.length).fill(this.definition.padding.pad_id);
    padded.set(ids.slice(0, this.length));
    return {
      ids: padded,
      pieces: tokens.slice(0, this.length).map(shown),
      cut: Math.max(0, ids.length - this.length),
    };
  }

  /** A text, cut at tokens that it spells out. */
  private parts(text: string): string[] {
    const names = this.definition.added_tokens.map(({ content }) => content.replace(/\W/g, "\\$&"));
    return text.split(new RegExp(`(${names.join("|")})`)).filter(Boolean);
  }

  private normalized(text: string): string {
    return this.definition.normalizer.normalizers.reduce((before, { type, prepend }) => {
      if (type === "NFC") return before.normalize("NFC");
      // Each character by itself: in Python no letter depends on its neighbours.
      if (type === "Lowercase") return Array.from(before, (each) => each.toLowerCase()).join("");
      if (type === "Strip") return before.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "");
      if (type === "Prepend") return before && prepend + before;
      throw new Error(`This page does not know the tokenizer's step ${type}.`);
    }, text);
  }
}

/** A token of bytes as text; bytes that are no whole character become a sign of their own. */
function shown(token: string): string {
  const bytes = Array.from(token, (character) => BYTES.get(character));
  if (bytes.includes(undefined)) return token;
  return new TextDecoder().decode(Uint8Array.from(bytes as number[]));
}

/** Characters that stand for bytes in a byte-level vocabulary (Radford et al., GPT-2). */
const BYTES = new Map<string, number>();
for (let byte = 0, next = 256; byte < 256; byte++) {
  const isPrintable =
    (byte > 32 && byte < 127) || (byte > 160 && byte < 173) || (byte > 173 && byte < 256);
  BYTES.set(String.fromCodePoint(isPrintable ? byte : next++), byte);
}
