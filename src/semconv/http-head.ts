/** Headers in the bytes of an HTTP/1 head (RFC 9112 §5), for spans that are written without making strings. */

/** Byte range [from, to) of a value. Empty if there is no such header. */
type Range = [from: number, to: number];

export interface HeaderRanges {
  readonly host: Range;
  readonly userAgent: Range;
  readonly traceState: Range;
}

const names: readonly [keyof HeaderRanges, Uint8Array][] = [
  ['host', new TextEncoder().encode('host:')],
  ['userAgent', new TextEncoder().encode('user-agent:')],
  ['traceState', new TextEncoder().encode('tracestate:')],
];

/** Finds the headers between the end of the first line, at `from`, and `to`. The first of each name counts. A cut one does not count. */
export function findHeaders(bytes: Uint8Array, from: number, to: number, found: HeaderRanges): void {
  for (const range of [found.host, found.userAgent, found.traceState]) range[0] = range[1] = from;
  for (let line = lineAfter(bytes, from, to); line < to; ) {
    const next = lineAfter(bytes, line, to);
    for (const [name, text] of names) {
      const range = found[name];
      if (range[0] !== range[1] || !startsWith(bytes, line, to, text)) continue;
      range[0] = line + text.length;
      while (bytes[range[0]] === 0x20) range[0]++;
      const end = bytes.indexOf(0x0d, range[0]);
      range[1] = end >= 0 && end < to ? end : range[0];
    }
    line = next;
  }
}

/** Where the line after the one at `from` begins, or `to`. */
function lineAfter(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && bytes[i] !== 0x0a) i++;
  return Math.min(i + 1, to);
}

/** Ignores case. `text` is lower case. */
function startsWith(bytes: Uint8Array, at: number, to: number, text: Uint8Array): boolean {
  if (at + text.length > to) return false;
  for (let i = 0; i < text.length; i++)
    if ((bytes[at + i]! | 0x20) !== text[i]! && bytes[at + i] !== text[i]) return false;
  return true;
}
