/** Encodes a row of a table as `tiprdc.runtime.columns` does. */

import type { Column } from "./release";

const MISSING = ["", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL"];
const NUMBER = /^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$/;
const MOST = 3.4028234663852886e38;

/** A value that is no number, where there must be one. */
export class CellError extends Error {
  constructor(
    readonly column: number,
    name: string,
  ) {
    super(`${name} is not a number.`);
  }
}

/** The record of a row; an empty text is a missing value. */
export function encodeRow(columns: Column[], texts: string[]): Float32Array {
  return Float32Array.from(columns, (column, at) => {
    const text = texts[at] ?? "";
    const isMissing = MISSING.includes(text.trim());
    if (column.categories.length) {
      const number = isMissing ? -1 : column.categories.indexOf(text);
      return number < 0 ? column.categories.length : number;
    }
    if (isMissing) return column.mean;
    const number = NUMBER.test(text) ? Number(text) : NaN;
    if (!(Math.abs(number) <= MOST)) throw new CellError(at, column.name);
    return number;
  });
}
