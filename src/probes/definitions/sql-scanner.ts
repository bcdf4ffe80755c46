/**
 * Splits SQL into tokens, by the rules of a dialect. What the dialect's own settings, or dialects of which we don't know which it is, read in
 * different ways is not guessed: the rest of the text is one token then, so that a literal is never taken for something else.
 */

export type SqlDialect = 'postgresql' | 'mysql' | 'sqlite' | 'other';

export const SqlToken = {
  /** White space and comments. */
  space: 0,
  /** A keyword or a bare identifier. */
  word: 1,
  /** `"x"`, `` `x` ``, `[x]`: an identifier with its quotes. */
  quoted: 2,
  /** A string or number, also one that the end of the text cuts. */
  literal: 3,
  /** `?`, `$1`, `:name`, `@p1`. */
  parameter: 4,
  /** One other byte, or `::`. */
  symbol: 5,
  /** What can't be told apart any more, up to the end. */
  rest: 6,
} as const;
export type SqlToken = (typeof SqlToken)[keyof typeof SqlToken];

/** Called with each token and where it is in the bytes. */
export type TokenHandler = (token: SqlToken, from: number, to: number) => void;

const quote = 0x27;
const doubleQuote = 0x22;
const backtick = 0x60;
const backslash = 0x5c;
const dollar = 0x24;
const newline = 0x0a;

/** Scans `bytes` from `from` up to `to`. */
export function scanSql(bytes: Uint8Array, from: number, to: number, dialect: SqlDialect, handle: TokenHandler): void {
  let at = from;
  let before: SqlToken = SqlToken.space;
  while (at < to) {
    const byte = bytes[at]!;
    let token: SqlToken = SqlToken.symbol;
    let end = at + 1;
    if (isSpace(byte)) {
      token = SqlToken.space;
      while (end < to && isSpace(bytes[end]!)) end++;
    } else if (startsWord(byte)) {
      end = wordEnd(bytes, at, to);
      token = SqlToken.word;
      if (bytes[end] === quote && end < to) {
        const prefix = end - at === 1 ? byte | 0x20 : 0;
        if (dialect === 'other' && (prefix === 0x71 || isNq(bytes, at, end))) end = -1;
        // E, X, B and N belong to the literal.
        else if (prefix === 0x65 || prefix === 0x78 || prefix === 0x62 || prefix === 0x6e) {
          token = SqlToken.literal;
          end = stringEnd(bytes, end, to, dialect, dialect === 'postgresql' && prefix === 0x65);
        }
      }
    } else if (isDigit(byte) || (byte === 0x2e && isDigitAt(bytes, end, to) && !names(before, bytes[at - 1]))) {
      token = SqlToken.literal;
      end = numberEnd(bytes, at, to);
    } else {
      switch (byte) {
        case quote:
          token = SqlToken.literal;
          end = stringEnd(bytes, at, to, dialect, false);
          break;
        case doubleQuote:
          if (dialect === 'postgresql' || dialect === 'sqlite') {
            token = SqlToken.quoted;
            end = identifierEnd(bytes, at, to, doubleQuote);
          } else {
            token = SqlToken.literal;
            end = stringEnd(bytes, at, to, dialect, false);
          }
          break;
        case backtick:
          if (dialect === 'postgresql') break;
          token = SqlToken.quoted;
          end = identifierEnd(bytes, at, to, backtick);
          break;
        case 0x5b: // [
          if (dialect === 'sqlite') {
            token = SqlToken.quoted;
            end = identifierEnd(bytes, at, to, 0x5d);
          } else if (dialect === 'other' && hidesQuote(bytes, end, to)) end = -1;
          break;
        case 0x2d: // -
          if (bytes[end] === 0x2d && end < to) {
            token = SqlToken.space;
            end = lineCommentEnd(bytes, at, to, dialect);
          }
          break;
        case 0x2f: // /
          if (bytes[end] === 0x2a && end < to) {
            token = SqlToken.space;
            end = blockCommentEnd(bytes, at, to, dialect);
          }
          break;
        case 0x23: // #
          if (dialect === 'mysql') {
            token = SqlToken.space;
            end = lineEnd(bytes, at, to);
          } else if (dialect === 'other') end = -1;
          break;
        case dollar: {
          const quoted = dialect === 'postgresql' || dialect === 'other' ? dollarTagEnd(bytes, at, to) : 0;
          if (quoted !== 0) {
            token = SqlToken.literal;
            end = dialect === 'other' || quoted < 0 ? -1 : dollarQuoteEnd(bytes, at, quoted, to);
          } else if (end < to && isWordByte(bytes[end]!)) {
            token = SqlToken.parameter;
            end = wordEnd(bytes, end, to);
          }
          break;
        }
        case 0x3f: // ?
          token = SqlToken.parameter;
          while (isDigitAt(bytes, end, to)) end++;
          break;
        case 0x3a: // :
          if (bytes[end] === 0x3a && end < to) end++;
          else if (end < to && startsWord(bytes[end]!)) {
            token = SqlToken.parameter;
            end = wordEnd(bytes, end, to);
          } else if (isDigitAt(bytes, end, to) && (before === SqlToken.space || before === SqlToken.symbol)) {
            // Behind a bracket, a number or a name it is the bound of a slice.
            if (bytes[at - 1] === 0x5b || bytes[at - 1] === 0x5d || bytes[at - 1] === 0x29) break;
            token = SqlToken.parameter;
            while (isDigitAt(bytes, end, to)) end++;
          }
          break;
        case 0x40: // @
          while (end < to && bytes[end] === 0x40) end++;
          if (end < to && startsWord(bytes[end]!)) {
            token = SqlToken.parameter;
            end = wordEnd(bytes, end, to);
          }
          break;
      }
    }
    if (end < 0) {
      handle(SqlToken.rest, at, to);
      return;
    }
    handle(token, at, end);
    before = token;
    at = end;
  }
}

function isSpace(byte: number): boolean {
  return byte <= 0x20 || byte === 0x7f;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isDigitAt(bytes: Uint8Array, at: number, to: number): boolean {
  return at < to && isDigit(bytes[at]!);
}

/** Letters, `_` and all that is not ASCII. */
function startsWord(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || byte === 0x5f || byte >= 0x80;
}

function isWordByte(byte: number): boolean {
  return startsWord(byte) || isDigit(byte) || byte === dollar;
}

function wordEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && isWordByte(bytes[at]!)) at++;
  return at;
}

/** Oracle's `nq'[it's]'`. */
function isNq(bytes: Uint8Array, from: number, to: number): boolean {
  return to - from === 2 && (bytes[from]! | 0x20) === 0x6e && (bytes[from + 1]! | 0x20) === 0x71;
}

/** Whether a token is a name, so that a dot behind it is no decimal point. */
function names(before: SqlToken, last: number | undefined): boolean {
  return before === SqlToken.word || before === SqlToken.quoted || last === 0x5d || last === 0x29;
}

/** Whatever hangs on to the digits belongs to the number: `0x1F`, `1.5e-10`, `1_000`, `12abc`. */
function numberEnd(bytes: Uint8Array, from: number, to: number): number {
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
 * The end of a string that begins with the quote at `open`; `to` where it is cut; −1 where it depends on a setting of the server whether a
 * backslash before a quote makes that part of the string (standard_conforming_strings, NO_BACKSLASH_ESCAPES).
 */
function stringEnd(bytes: Uint8Array, open: number, to: number, dialect: SqlDialect, escapes: boolean): number {
  const mark = bytes[open]!;
  // Three quotes open a string of another kind in some dialects.
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

/** The end of a quoted identifier, −1 where there is none: then it may be something else. The mark doubled stands for itself. */
function identifierEnd(bytes: Uint8Array, open: number, to: number, mark: number): number {
  let at = open + 1;
  while (at < to) {
    if (bytes[at] !== mark) at++;
    else if (mark === 0x5d || bytes[at + 1] !== mark || at + 1 >= to) return at + 1;
    else at += 2;
  }
  return -1;
}

/** Whether a bracket that begins with a name has a quote in it: an identifier like `[it's]`, or an array. */
function hidesQuote(bytes: Uint8Array, from: number, to: number): boolean {
  if (from >= to || !startsWord(bytes[from]!)) return false;
  for (let at = from; at < to && bytes[at] !== 0x5d; at++) {
    if (bytes[at] === quote || bytes[at] === doubleQuote || bytes[at] === backtick) return true;
  }
  return false;
}

function lineEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== newline) at++;
  return at;
}

/** MySQL wants white space behind the dashes: without, `5--'a'` has a literal there, for others a comment. */
function lineCommentEnd(bytes: Uint8Array, from: number, to: number, dialect: SqlDialect): number {
  const next = from + 2;
  if ((dialect === 'mysql' || dialect === 'other') && next < to && !isSpace(bytes[next]!)) return -1;
  return lineEnd(bytes, next, to);
}

/** PostgreSQL nests comments. What MySQL runs as code in a comment, it also reads literals in. */
function blockCommentEnd(bytes: Uint8Array, from: number, to: number, dialect: SqlDialect): number {
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

/** The end of a `$tag$` at `from`; 0: there is none; −1: the text ends within what may be one. */
function dollarTagEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from + 1;
  if (isDigitAt(bytes, at, to)) return 0;
  while (at < to && bytes[at] !== dollar && isWordByte(bytes[at]!)) at++;
  if (at === to) return -1;
  return bytes[at] === dollar ? at + 1 : 0;
}

function dollarQuoteEnd(bytes: Uint8Array, from: number, tagEnd: number, to: number): number {
  const length = tagEnd - from;
  for (let at = tagEnd; at + length <= to; at++) {
    let same = 0;
    while (same < length && bytes[at + same] === bytes[from + same]) same++;
    if (same === length) return at + length;
  }
  return to;
}
