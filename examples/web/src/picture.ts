/** Turns a picture into a record, as `tiprdc.datasets.images.read_image` does. */

import { orientation } from "./exif";
import { resize } from "./resize";

/** A picture that cannot be used; the text is the reason. */
export class PictureError extends Error {}

/** Rows of squares that are read at once: a browser's canvas has fewer pixels than a picture. */
const STRIP = 64;
const HEAD = 2 ** 16;

/** How a JPEG is made smaller while it is decoded: by 1, 2, 4 or 8, from these sides. */
interface Reduction {
  scale: number;
  fromRight: boolean;
  fromBottom: boolean;
}

const WHOLE: Reduction = { scale: 1, fromRight: false, fromBottom: false };

/** Reads a file, upright and without colour management, as Pillow does. */
export async function readFile(file: Blob, size: number, background: string): Promise<Uint8Array> {
  const head = new DataView(await file.slice(0, HEAD).arrayBuffer());
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
    });
  } catch {
    throw new PictureError("This browser cannot read that file as a picture.");
  }
  const isJpeg = head.byteLength > 2 && head.getUint16(0) === 0xffd8;
  return readBitmap(bitmap, size, background, isJpeg ? reduction(head, bitmap, size) : WHOLE);
}

/** Pillow has a JPEG decoded so that twice the size is left, before it turns it upright. */
function reduction(head: DataView, { width, height }: ImageBitmap, size: number): Reduction {
  const most = Math.floor(Math.min(width, height) / (2 * size));
  const turned = orientation(head);
  return {
    scale: [8, 4, 2].find((scale) => most >= scale) ?? 1,
    fromRight: [2, 3, 6, 7].includes(turned),
    fromBottom: [3, 4, 7, 8].includes(turned),
  };
}

/** Stretches a bitmap to a record `[3, size, size]`; closes it. */
export function readBitmap(
  bitmap: ImageBitmap,
  size: number,
  background: string,
  { scale, fromRight, fromBottom }: Reduction = WHOLE,
): Uint8Array {
  const { width, height } = bitmap;
  const columns = edges(width, scale, fromRight);
  const rows = edges(height, scale, fromBottom);
  const pixels = new Uint8Array((columns.length - 1) * (rows.length - 1) * 3);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = STRIP * scale;
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true })!;
  for (let first = 0, at = 0; first < rows.length - 1; first += STRIP) {
    const strip = rows.slice(first, first + STRIP + 1);
    const top = strip[0]!;
    const tall = strip.at(-1)! - top;
    context.fillStyle = background;
    context.fillRect(0, 0, width, tall);
    context.drawImage(bitmap, 0, top, width, tall, 0, 0, width, tall);
    const { data } = context.getImageData(0, 0, width, tall);
    for (let row = 0; row + 1 < strip.length; row++) {
      at = addMeans(pixels, at, data, width, columns, strip[row]! - top, strip[row + 1]! - top);
    }
  }
  bitmap.close();
  const record = resize(pixels, columns.length - 1, rows.length - 1, size);
  if (isOfOneColour(record)) throw new PictureError("That picture has one colour.");
  return record;
}

/** Where squares of `scale` pixels begin, and the end; the last one from a side may be smaller. */
function edges(length: number, scale: number, fromEnd: boolean): number[] {
  const count = Math.ceil(length / scale);
  return Array.from({ length: count + 1 }, (_, at) =>
    fromEnd ? Math.max(0, length - (count - at) * scale) : Math.min(length, at * scale),
  );
}

/** Adds a row of means of squares, which libjpeg gives at this scale, or nearly so. */
function addMeans(
  pixels: Uint8Array,
  at: number,
  data: Uint8ClampedArray,
  width: number,
  columns: number[],
  top: number,
  bottom: number,
): number {
  for (let column = 0; column + 1 < columns.length; column++) {
    const left = columns[column]!;
    const right = columns[column + 1]!;
    for (let band = 0; band < 3; band++) {
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) sum += data[(y * width + x) * 4 + band]!;
      }
      pixels[at++] = Math.round(sum / ((bottom - top) * (right - left)));
    }
  }
  return at;
}

function isOfOneColour(record: Uint8Array): boolean {
  const band = record.length / 3;
  return record.every((value, at) => value === record[at - (at % band)]);
}

/** Draws a picture `[3, height, width]` of 0 to 255. */
export function draw(canvas: HTMLCanvasElement, picture: ArrayLike<number>, size: number): void {
  canvas.width = canvas.height = size;
  const pixels = new ImageData(size, size);
  const band = size * size;
  for (let at = 0; at < band; at++) {
    for (let color = 0; color < 3; color++) pixels.data[at * 4 + color] = picture[color * band + at]!;
    pixels.data[at * 4 + 3] = 255;
  }
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
}
