/** `url.full` from the parts of a Go url.URL: without credentials, encoded, with secrets of the query replaced. */
import { queryMark } from './http-text.ts';
import { hasSecret, redactedQuery } from './query-secrets.ts';

/** Byte range [from, to) of a slab. */
type Range = readonly [from: number, to: number];

export type UrlParts =
  /** Path and query in one piece. */
  | { readonly scheme: Range; readonly host: Range; readonly target: Range }
  /** As in url.URL: `path` is decoded. `rawPath` is its encoding, if that is not the usual one. */
  | {
      readonly scheme: Range;
      readonly host: Range;
      readonly path: Range;
      readonly rawPath: Range;
      readonly query: Range;
    };

/** Whether path and query in [from, to) need no encoding. */
export function isPlainUrl(bytes: Uint8Array, from: number, to: number): boolean {
  const mark = queryMark(bytes, from, to);
  for (let i = from; i < mark; i++) if (!isPathByte(bytes[i]!)) return false;
  return mark === to || !hasSecret(bytes, mark + 1, to);
}

/** Start of the host in [from, to), behind credentials: a program may have put these into URL.Host. */
export function hostStart(bytes: Uint8Array, from: number, to: number): number {
  let i = to;
  while (i > from && bytes[i - 1] !== 0x40) i--;
  return i;
}

/** A URL from its parts. */
export function urlText(bytes: Uint8Array, parts: UrlParts): string {
  const [authority, end] = parts.host;
  const origin = `${text(bytes, parts.scheme)}://${text(bytes, [hostStart(bytes, authority, end), end])}`;
  if ('target' in parts) {
    const [from, to] = parts.target;
    const mark = queryMark(bytes, from, to);
    return `${origin}${encodedPath(bytes, [from, mark])}${queryText(bytes, [Math.min(mark + 1, to), to])}`;
  }
  const { path, rawPath, query } = parts;
  const pathText = isEncoded(bytes, rawPath) ? text(bytes, rawPath) : encodedPath(bytes, path);
  const slash = pathText !== '' && !pathText.startsWith('/') ? '/' : '';
  return `${origin}${slash}${pathText}${queryText(bytes, query)}`;
}

function queryText(bytes: Uint8Array, [from, to]: Range): string {
  if (from >= to) return '';
  return `?${hasSecret(bytes, from, to) ? redactedQuery(bytes, from, to) : text(bytes, [from, to])}`;
}

function text(bytes: Uint8Array, [from, to]: Range): string {
  return new TextDecoder().decode(bytes.subarray(from, to));
}

/** Unreserved characters, and the others that net/url leaves in a path unchanged: `$&+,/:;=@`. */
function isPathByte(byte: number): boolean {
  if ((byte >= 0x61 && byte <= 0x7a) || (byte >= 0x40 && byte <= 0x5a) || (byte >= 0x2b && byte <= 0x3b)) return true;
  return byte === 0x24 || byte === 0x26 || byte === 0x3d || byte === 0x5f || byte === 0x7e;
}

/** Whether RawPath holds an encoding. Otherwise net/url ignores it. */
function isEncoded(bytes: Uint8Array, [from, to]: Range): boolean {
  for (let i = from; i < to; i++) {
    if (!isPathByte(bytes[i]!) && !otherEncoded.includes(bytes[i]!)) return false;
  }
  return to > from;
}

/** Other characters that a URL path may have unchanged: `%`, and the delimiters that net/url encodes itself. */
const otherEncoded: Uint8Array = new TextEncoder().encode("!'()*[]%");

function encodedPath(bytes: Uint8Array, [from, to]: Range): string {
  let encoded = '';
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    encoded += isPathByte(byte) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
