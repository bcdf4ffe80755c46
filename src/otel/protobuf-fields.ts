/** A field's value: a number for a varint, bytes for a length-delimited one. */
export type FieldValue = number | Uint8Array;

/**
 * The values of field `wanted` of an encoded message, in their order, without an unreadable rest. This is for the few answers that uspan
 * reads: importing the official deserializer costs 4.4 MB of memory.
 */
export function fieldValues(message: Uint8Array, wanted: number): FieldValue[] {
  const found: FieldValue[] = [];
  let p = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; p < message.length; scale *= 128) {
      const byte = message[p++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (p < message.length) {
    const tag = varint();
    let value: FieldValue | undefined;
    if ((tag & 7) === 0) value = varint();
    else if ((tag & 7) === 1) p += 8;
    else if ((tag & 7) === 5) p += 4;
    else if ((tag & 7) === 2) {
      const length = varint();
      value = message.subarray(p, p + length);
      p += length;
    } else break;
    if (tag >>> 3 === wanted && value !== undefined) found.push(value);
  }
  return found;
}

/** The last bytes of field `wanted`, which count for a field that is not repeated. Empty if there are none. */
export function bytesField(message: Uint8Array, wanted: number): Uint8Array {
  const value = fieldValues(message, wanted).at(-1);
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

/** The last number of field `wanted`, or 0. */
export function numberField(message: Uint8Array, wanted: number): number {
  const value = fieldValues(message, wanted).at(-1);
  return typeof value === 'number' ? value : 0;
}
