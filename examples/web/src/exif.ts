/** The orientation that a JPEG states in its EXIF part, 1 to 8; 1 where it states none. */
export function orientation(data: DataView): number {
  try {
    for (let at = 2; data.getUint8(at) === 0xff; at += 2 + data.getUint16(at + 2)) {
      const isExif = data.getUint8(at + 1) === 0xe1 && data.getUint32(at + 4) === 0x45786966;
      if (isExif) return fromTiff(data, at + 10);
    }
  } catch (error) {
    // The part is cut off, or points beyond its end.
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

function fromTiff(data: DataView, start: number): number {
  const isLittle = data.getUint16(start) === 0x4949;
  const directory = start + data.getUint32(start + 4, isLittle);
  for (let entry = 0; entry < data.getUint16(directory, isLittle); entry++) {
    const at = directory + 2 + 12 * entry;
    if (data.getUint16(at, isLittle) === 0x0112) return data.getUint16(at + 8, isLittle);
  }
  return 1;
}
