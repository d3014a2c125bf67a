/**
 * Pillow's bilinear resize of 8-bit pictures, in the same integer arithmetic, so that a record has
 * the same bytes in a browser and in `tiprdc extract` (Pillow, src/libImaging/Resample.c).
 */

const PRECISION = 22;

/** For each output position: the first input, the number of inputs, and their weights. */
interface Weights {
  first: Int32Array;
  count: Int32Array;
  weight: Int32Array;
  most: number;
}

function weights(input: number, output: number): Weights {
  const scale = input / output;
  const support = Math.max(scale, 1);
  const most = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(output);
  const count = new Int32Array(output);
  const weight = new Int32Array(output * most);
  const raw = new Float64Array(most);
  for (let at = 0; at < output; at++) {
    const center = (at + 0.5) * scale;
    const low = Math.max(0, Math.trunc(center - support + 0.5));
    const high = Math.min(input, Math.trunc(center + support + 0.5));
    let sum = 0;
    for (let k = 0; k < high - low; k++) {
      const distance = Math.abs((k + low - center + 0.5) * (1 / support));
      raw[k] = distance < 1 ? 1 - distance : 0;
      sum += raw[k]!;
    }
    for (let k = 0; k < high - low; k++) {
      const share = sum === 0 ? raw[k]! : raw[k]! / sum;
      weight[at * most + k] = Math.trunc(0.5 + share * 2 ** PRECISION);
    }
    first[at] = low;
    count[at] = high - low;
  }
  return { first, count, weight, most };
}

/** Stretches a picture `[height, width, 3]` to a record `[3, size, size]`. */
export function resize(picture: Uint8Array, width: number, height: number, size: number): Uint8Array {
  let square: Uint8Array;
  // Since Pillow 13 the order depends on the shape, and the rounding between the passes on the order.
  if (height > size && height - size > 2 * (Math.max(width, size) - size)) {
    square = across(down(picture, width, height, size), width, size, size);
  } else {
    square = down(across(picture, width, height, size), size, height, size);
  }
  const band = size * size;
  return Uint8Array.from(square, (_, at) => square[(at % band) * 3 + Math.floor(at / band)]!);
}

/** `[height, width, 3]` -> `[height, size, 3]`. */
function across(picture: Uint8Array, width: number, height: number, size: number): Uint8Array {
  return pass(picture, { lines: height, line: width * 3, step: 3, input: width }, size, size * 3, 3);
}

/** `[height, width, 3]` -> `[size, width, 3]`. */
function down(picture: Uint8Array, width: number, height: number, size: number): Uint8Array {
  const rows = { lines: width, line: 3, step: width * 3, input: height };
  return pass(picture, rows, size, 3, width * 3);
}

/** Where the numbers of a line lie: lines, distance between two, distance between two pixels. */
interface Lines {
  lines: number;
  line: number;
  step: number;
  input: number;
}

function pass(
  picture: Uint8Array,
  { lines, line, step, input }: Lines,
  size: number,
  outputLine: number,
  outputStep: number,
): Uint8Array {
  const result = new Uint8Array(lines * size * 3);
  const { first, count, weight, most } = weights(input, size);
  for (let each = 0; each < lines; each++) {
    for (let at = 0; at < size; at++) {
      for (let band = 0; band < 3; band++) {
        let sum = 1 << (PRECISION - 1);
        let from = each * line + first[at]! * step + band;
        for (let k = 0; k < count[at]!; k++, from += step) {
          sum += picture[from]! * weight[at * most + k]!;
        }
        result[each * outputLine + at * outputStep + band] = sum >> PRECISION;
      }
    }
  }
  return result;
}
