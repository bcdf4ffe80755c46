/** `url.full` from the parts of a Go url.URL: without credentials, encoded, with secrets of the query replaced. */
import { queryMark } from './http-text.ts';
import { hasSecret, redactedQuery } from './query-secrets.ts';

/** Byte range [from, to) of a slab. */
type Range = readonly [from: number, to: number];

export type UrlParts =
  /** Path and query in one piece. */
  | { readonly scheme: Range; readonly host: Range; readonly target: Range }
  /**
   * As in url.URL: `path` is decoded. `rawPath` is its encoding, if that is not the usual one. `opaque` is what is sent in place of both.
   * With `forceQuery`, even an empty query has its `?`.
   */
  | {
      readonly scheme: Range;
      readonly host: Range;
      readonly path: Range;
      readonly rawPath: Range;
      readonly query: Range;
      readonly opaque: Range;
      readonly forceQuery: boolean;
      /** Whether path or rawPath was cut. */
      readonly cut: boolean;
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

/** A URL from its parts, as url.URL.RequestURI() makes it. */
export function urlText(bytes: Uint8Array, parts: UrlParts): string {
  const [authority, end] = parts.host;
  const scheme = text(bytes, parts.scheme);
  const origin = `${scheme}://${text(bytes, [hostStart(bytes, authority, end), end])}`;
  if ('target' in parts) {
    const [from, to] = parts.target;
    const mark = queryMark(bytes, from, to);
    return `${origin}${encodedPath(bytes, [from, mark])}${queryText(bytes, [Math.min(mark + 1, to), to])}`;
  }
  const { path, rawPath, query, opaque, forceQuery, cut } = parts;
  const queried = queryText(bytes, query) || (forceQuery ? '?' : '');
  if (opaque[0] !== opaque[1]) return `${opaqueUrl(scheme, origin, opaqueText(bytes, opaque))}${queried}`;
  const pathText = encodes(bytes, rawPath, path, cut) ? text(bytes, rawPath) : encodedPath(bytes, path);
  const slash = pathText !== '' && !pathText.startsWith('/') ? '/' : '';
  return `${origin}${slash}${pathText}${queried}`;
}

/**
 * A target that the program wrote itself is sent as it is: with a host of its own behind `//`, as a whole URL (for a proxy), or as a path.
 */
function opaqueUrl(scheme: string, origin: string, target: string): string {
  if (target.startsWith('//')) return `${scheme}:${withoutCredentials(target)}`;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(target)) return withoutCredentials(target);
  return `${origin}${target.startsWith('/') ? '' : '/'}${target}`;
}

function withoutCredentials(url: string): string {
  return url.replace(/^([^/]*\/\/)[^/?#]*@/, '$1');
}

/** It may have a query of its own. */
function opaqueText(bytes: Uint8Array, [from, to]: Range): string {
  const mark = queryMark(bytes, from, to);
  return `${text(bytes, [from, mark])}${mark === to ? '' : queryText(bytes, [mark + 1, to]) || '?'}`;
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

/**
 * Whether RawPath is an encoding of Path. Otherwise url.URL.EscapedPath() ignores it, as when a reverse proxy has changed the path alone. If
 * one of them was cut, it is enough that they agree as far as they go.
 */
function encodes(bytes: Uint8Array, [from, to]: Range, [path, pathEnd]: Range, cut: boolean): boolean {
  if (from === to) return false;
  let decoded = path;
  let i = from;
  while (i < to) {
    let byte = bytes[i]!;
    if (byte === percent) {
      if (i + 2 >= to && cut) break;
      const high = i + 2 < to ? hexValue(bytes[i + 1]!) : -1;
      const low = i + 2 < to ? hexValue(bytes[i + 2]!) : -1;
      if (high < 0 || low < 0) return false;
      byte = high * 16 + low;
      i += 2;
    } else if (!isPathByte(byte) && !otherEncoded.includes(byte)) return false;
    i++;
    if (decoded === pathEnd && cut) continue;
    if (decoded === pathEnd || bytes[decoded] !== byte) return false;
    decoded++;
  }
  return cut || decoded === pathEnd;
}

const percent = 0x25;

function hexValue(digit: number): number {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  const letter = digit | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Other characters that a URL path may have unchanged: delimiters that net/url encodes itself. */
const otherEncoded: Uint8Array = new TextEncoder().encode("!'()*[]");

function encodedPath(bytes: Uint8Array, [from, to]: Range): string {
  // The target of an OPTIONS request for the whole server.
  if (to === from + 1 && bytes[from] === 0x2a) return '*';
  let encoded = '';
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    encoded += isPathByte(byte) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
