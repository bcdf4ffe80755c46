/** A field of an encoded message. */
export interface Field {
  readonly number: number;
  /** A number for a varint, bytes for a length-delimited one. Undefined for those of 4 or 8 bytes. */
  readonly value: number | Uint8Array | undefined;
  /** The field with its tag is the bytes [start, end) of the message. */
  readonly start: number;
  readonly end: number;
}

/**
 * The fields of an encoded message, in their order. This is for the few answers that uspan reads: importing the official deserializer
 * costs 4.4 MB of memory.
 * @throws RangeError if the bytes are no message
 */
export function* fieldsOf(message: Uint8Array): Generator<Field> {
  let p = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = message[p++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a varint has no end');
  };
  while (p < message.length) {
    const start = p;
    const tag = varint();
    const number = Math.floor(tag / 8);
    let value: Field['value'];
    if (tag % 8 === 0) value = varint();
    else if (tag % 8 === 1) p += 8;
    else if (tag % 8 === 5) p += 4;
    else if (tag % 8 === 2) {
      const length = varint();
      value = message.subarray(p, p + length);
      p += length;
    } else throw new RangeError(`no wire type is ${tag % 8}`);
    if (number === 0 || p > message.length) throw new RangeError('a field goes beyond the message');
    yield { number, value, start, end: p };
  }
}

/** Whether the bytes can be a message of some kind. */
export function isMessage(bytes: Uint8Array): boolean {
  try {
    for (const _ of fieldsOf(bytes));
    return true;
  } catch {
    return false;
  }
}

/** The values of field `wanted`, in their order, without an unreadable rest. */
export function fieldValues(message: Uint8Array, wanted: number): (number | Uint8Array)[] {
  const found: (number | Uint8Array)[] = [];
  try {
    for (const { number, value } of fieldsOf(message)) if (number === wanted && value !== undefined) found.push(value);
  } catch {
    // What came before it counts.
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
