/**
 * Where the pieces of SQL end: names, numbers, strings, comments. Positions are offsets into the bytes. −1 means that the end is uncertain.
 */
import type { SqlDialect } from './scanner.ts';

const quote = 0x27;
const doubleQuote = 0x22;
const backtick = 0x60;
const backslash = 0x5c;
const dollar = 0x24;
const newline = 0x0a;

export function isSpace(byte: number): boolean {
  return byte <= 0x20 || byte === 0x7f;
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

export function isDigitAt(bytes: Uint8Array, at: number, to: number): boolean {
  return at < to && isDigit(bytes[at]!);
}

/** Letters, `_`, and everything that is not ASCII. */
export function startsWord(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || byte === 0x5f || byte >= 0x80;
}

export function isWordByte(byte: number): boolean {
  return startsWord(byte) || isDigit(byte) || byte === dollar;
}

export function wordEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && isWordByte(bytes[at]!)) at++;
  return at;
}

/**
 * The end of a SQLite variable that begins with `$`, `@`, `:` or `#`. 0: there is none. −1: a parenthesis belongs to it, which may have
 * quotes that open no string (tclsqlite's arrays, https://sqlite.org/c3ref/bind_blob.html).
 */
export function sqliteVariableEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from + 1;
  let named = false;
  for (;;) {
    if (at < to && isWordByte(bytes[at]!)) {
      named = true;
      at++;
    } else if (at + 1 < to && bytes[at] === 0x3a && bytes[at + 1] === 0x3a) {
      at += 2;
    } else {
      break;
    }
  }
  if (!named) return 0;
  return at < to && bytes[at] === 0x28 ? -1 : at;
}

/** Whether a byte order mark is here. SQLite takes it for white space. */
export function isByteOrderMark(bytes: Uint8Array, at: number, to: number): boolean {
  return at + 2 < to && bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf;
}

/** Everything attached to the digits belongs to the number: `0x1F`, `1.5e-10`, `1_000`, `12abc`. */
export function numberEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to) {
    const byte = bytes[at]!;
    const sign = (byte === 0x2b || byte === 0x2d) && at > from && (bytes[at - 1]! | 0x20) === 0x65;
    if (!isWordByte(byte) && byte !== 0x2e && !(sign && isDigitAt(bytes, at + 1, to))) break;
    at++;
  }
  return at;
}

/**
 * The end of a string that begins with the quote at `open`. `to` if it is cut. −1 if a setting of the server decides whether a backslash
 * before a quote makes that quote part of the string (standard_conforming_strings, NO_BACKSLASH_ESCAPES).
 */
export function stringEnd(bytes: Uint8Array, open: number, to: number, dialect: SqlDialect, escapes: boolean): number {
  const mark = bytes[open]!;
  // Three quotes open another kind of string in some dialects.
  if (dialect === 'other' && open + 2 < to && bytes[open + 1] === mark && bytes[open + 2] === mark) return -1;
  let at = open + 1;
  while (at < to) {
    if (bytes[at] !== mark) {
      at++;
      continue;
    }
    if (dialect !== 'sqlite' && oddBackslashes(bytes, open, at)) {
      if (!escapes) return -1;
      at++;
      continue;
    }
    if (bytes[at + 1] !== mark || at + 1 >= to) return at + 1;
    at += 2;
  }
  return to;
}

function oddBackslashes(bytes: Uint8Array, open: number, at: number): boolean {
  let count = 0;
  while (at - 1 - count > open && bytes[at - 1 - count] === backslash) count++;
  return count % 2 === 1;
}

/** The end of a quoted identifier. −1 if there is none, because then it may be something else. A doubled mark stands for itself. */
export function identifierEnd(bytes: Uint8Array, open: number, to: number, mark: number): number {
  let at = open + 1;
  while (at < to) {
    if (bytes[at] !== mark) at++;
    else if (mark === 0x5d || bytes[at + 1] !== mark || at + 1 >= to) return at + 1;
    else at += 2;
  }
  return -1;
}

/** Whether a bracket that begins with a name has a quote in it: an identifier like `[it's]`, or an array. */
export function hidesQuote(bytes: Uint8Array, from: number, to: number): boolean {
  if (from >= to || !startsWord(bytes[from]!)) return false;
  for (let at = from; at < to && bytes[at] !== 0x5d; at++) {
    if (bytes[at] === quote || bytes[at] === doubleQuote || bytes[at] === backtick) return true;
  }
  return false;
}

export function lineEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== newline) at++;
  return at;
}

/** MySQL wants white space behind the dashes. Without it, `5--'a'` has a literal for MySQL, and a comment for others. */
export function lineCommentEnd(bytes: Uint8Array, from: number, to: number, dialect: SqlDialect): number {
  const next = from + 2;
  if ((dialect === 'mysql' || dialect === 'other') && next < to && !isSpace(bytes[next]!)) return -1;
  return lineEnd(bytes, next, to);
}

/** PostgreSQL nests comments. What MySQL runs as code in a comment, it also reads literals in. */
export function blockCommentEnd(bytes: Uint8Array, from: number, to: number, dialect: SqlDialect): number {
  const first = bytes[from + 2];
  if (
    (dialect === 'mysql' || dialect === 'other') &&
    (first === 0x21 || (first === 0x4d && bytes[from + 3] === 0x21))
  ) {
    return -1;
  }
  let depth = 1;
  let at = from + 2;
  while (at < to) {
    const next = at + 1 < to ? bytes[at + 1] : 0;
    if (bytes[at] === 0x2a && next === 0x2f) {
      at += 2;
      if (--depth === 0) return at;
    } else if (bytes[at] === 0x2f && next === 0x2a && dialect !== 'mysql' && dialect !== 'sqlite') {
      if (dialect === 'other') return -1;
      depth++;
      at += 2;
    } else {
      at++;
    }
  }
  return to;
}

/** The end of a `$tag$` at `from`. 0: there is none. −1: the text ends within what may be one. */
export function dollarTagEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from + 1;
  if (isDigitAt(bytes, at, to)) return 0;
  while (at < to && bytes[at] !== dollar && isWordByte(bytes[at]!)) at++;
  if (at === to) return -1;
  return bytes[at] === dollar ? at + 1 : 0;
}

export function dollarQuoteEnd(bytes: Uint8Array, from: number, tagEnd: number, to: number): number {
  const length = tagEnd - from;
  for (let at = tagEnd; at + length <= to; at++) {
    let same = 0;
    while (same < length && bytes[at + same] === bytes[from + same]) same++;
    if (same === length) return at + length;
  }
  return to;
}
