/**
 * Splits SQL into tokens, by the rules of a dialect. Settings of a server, or an unknown dialect, can make a text ambiguous. The scanner
 * does not guess then. It makes the rest of the text one token, so that it never takes a literal for something else.
 */
import {
  blockCommentEnd,
  dollarQuoteEnd,
  dollarTagEnd,
  hidesQuote,
  identifierEnd,
  isByteOrderMark,
  isDigit,
  isDigitAt,
  isSpace,
  isWordByte,
  lineCommentEnd,
  lineEnd,
  numberEnd,
  sqliteVariableEnd,
  startsWord,
  stringEnd,
  wordEnd,
} from './lexemes.ts';

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
  /** The ambiguous rest, up to the end. */
  rest: 6,
} as const;
export type SqlToken = (typeof SqlToken)[keyof typeof SqlToken];

/** Called with each token and its position in the bytes. */
export type TokenHandler = (token: SqlToken, from: number, to: number) => void;

const quote = 0x27;
const doubleQuote = 0x22;
const backtick = 0x60;
const dollar = 0x24;

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
    } else if (dialect === 'sqlite' && isByteOrderMark(bytes, at, to)) {
      token = SqlToken.space;
      end = at + 3;
    } else if (dialect === 'sqlite' && isVariableMark(byte) && sqliteVariableEnd(bytes, at, to) !== 0) {
      token = SqlToken.parameter;
      end = sqliteVariableEnd(bytes, at, to);
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
            // Behind a bracket, a number or a name, it is the bound of a slice.
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

function isVariableMark(byte: number): boolean {
  return byte === dollar || byte === 0x40 || byte === 0x3a || byte === 0x23;
}

/** Oracle's `nq'[it's]'`. */
function isNq(bytes: Uint8Array, from: number, to: number): boolean {
  return to - from === 2 && (bytes[from]! | 0x20) === 0x6e && (bytes[from + 1]! | 0x20) === 0x71;
}

/** Whether a token is a name, so that a dot behind it is not a decimal point. */
function names(before: SqlToken, last: number | undefined): boolean {
  return before === SqlToken.word || before === SqlToken.quoted || last === 0x5d || last === 0x29;
}
