/** Byte-level pieces of HTTP, for spans that are written without making strings. Positions are offsets into a slab's bytes. */

const question = 0x3f;
const slash = 0x2f;
const colon = 0x3a;

/** Methods of RFC 9110 and RFC 5789, as the HTTP semantic conventions list them, and QUERY. */
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE', 'QUERY'] as const;
const methodBytes = methods.map((method) => new TextEncoder().encode(method));

/** The known method at `from`, or undefined. Case matters (RFC 9110 §9.1). */
export function knownMethod(bytes: Uint8Array, from: number, length: number): (typeof methods)[number] | undefined {
  for (let m = 0; m < methods.length; m++) {
    const candidate = methodBytes[m]!;
    if (candidate.length !== length || candidate[0] !== bytes[from]) continue;
    let i = 1;
    while (i < length && candidate[i] === bytes[from + i]) i++;
    if (i === length) return methods[m];
  }
  return undefined;
}

/** First position of `byte` in [from, to), or `to`. */
export function indexOf(bytes: Uint8Array, byte: number, from: number, to: number): number {
  let i = from;
  while (i < to && bytes[i] !== byte) i++;
  return i;
}

/**
 * Start of the path in a request target (RFC 9112 §3.2): origin-form, absolute-form, or `*`. An absolute-form without a path gives the
 * start of its query. The authority-form of CONNECT gives `to`.
 */
export function pathStart(bytes: Uint8Array, from: number, to: number): number {
  const first = bytes[from];
  if (first === slash || first === 0x2a) return from;
  const host = absoluteHost(bytes, from, to);
  return host < 0 ? to : indexOf(bytes, slash, host, queryMark(bytes, host, to));
}

/** Start of the host in a request target of absolute-form, or -1. */
export function absoluteHost(bytes: Uint8Array, from: number, to: number): number {
  if (bytes[from] === slash) return -1;
  const scheme = indexOf(bytes, colon, from, to);
  return scheme + 2 < to && bytes[scheme + 1] === slash && bytes[scheme + 2] === slash ? scheme + 3 : -1;
}

/** Position of the `?` that begins the query, or `to`. */
export function queryMark(bytes: Uint8Array, from: number, to: number): number {
  return indexOf(bytes, question, from, to);
}

/** End of the host in `host[:port]` or `[v6][:port]`: the position of the port's colon, or `to`. */
export function hostEnd(bytes: Uint8Array, from: number, to: number): number {
  if (bytes[from] === 0x5b) return indexOf(bytes, colon, indexOf(bytes, 0x5d, from, to), to);
  return indexOf(bytes, colon, from, to);
}

/** The TCP port (1 to 65535) that [from, to) spells, or -1. */
export function port(bytes: Uint8Array, from: number, to: number): number {
  if (from >= to || to - from > 5) return -1;
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value >= 1 && value <= 65535 ? value : -1;
}
