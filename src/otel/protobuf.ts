/** The few pieces of protobuf encoding that the span writer needs. `out` must have room. Nothing is allocated. */

/** Copies `text`. Returns the position after it, or -1 if it is not ASCII. */
export function putAscii(out: Uint8Array, at: number, text: string): number {
  let seen = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    seen |= unit;
    out[at + i] = unit;
  }
  return seen < 0x80 ? at + text.length : -1;
}

/** Copies bytes, four at a time. Returns the position after them, or -1 if they are not ASCII. */
export function copyAscii(out: DataView, at: number, source: DataView, from: number, length: number): number {
  const whole = length - 3;
  let seen = 0;
  let i = 0;
  for (; i < whole; i += 4) {
    const four = source.getUint32(from + i, true);
    seen |= four;
    out.setUint32(at + i, four, true);
  }
  for (; i < length; i++) {
    const byte = source.getUint8(from + i);
    seen |= byte;
    out.setUint8(at + i, byte);
  }
  return (seen & 0x80808080) === 0 ? at + length : -1;
}

/** Bytes of `value` (< 2^32) as a varint. */
export function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** Writes `value` (< 2^32) as a varint. Returns the position after it. */
export function putVarint(out: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    out[at] = value;
    return at + 1;
  }
  let p = at;
  let rest = value;
  while (rest > 0x7f) {
    out[p++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[p] = rest;
  return p + 1;
}

/** Bytes of the u64 (lo, hi) as a varint. */
export function varint64Bytes(lo: number, hi: number): number {
  if (hi === 0) return varintBytes(lo);
  const upper = hi >>> 3;
  return upper === 0 ? 5 : 5 + varintBytes(upper);
}

/** Writes the u64 (lo, hi) as a varint. Returns the position after it. */
export function putVarint64(out: Uint8Array, at: number, lo: number, hi: number): number {
  if (hi === 0) return putVarint(out, at, lo);
  let p = at;
  let rest = lo;
  for (let i = 0; i < 4; i++) {
    out[p++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  const middle = rest | ((hi & 7) << 4); // bits 28–34
  const upper = hi >>> 3;
  out[p++] = upper === 0 ? middle : middle | 0x80;
  return upper === 0 ? p : putVarint(out, p, upper);
}
