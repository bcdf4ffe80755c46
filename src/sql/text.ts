/** SQL that may be exported: every literal is `?`, even if the text was cut within one. */
import { type SqlDialect, SqlToken, scanSql } from './scanner.ts';
import { type SqlSummary, SqlSummaryReader } from './summary.ts';
import { SqlValues } from './values.ts';

export interface SqlStatement extends SqlSummary {
  /** `db.query.text`: literals become `?`, comments go, white space becomes one space, and lists of `IN` collapse. */
  readonly text: string;
}

const space = 0x20;
const mark = 0x3f;
const comma = 0x2c;

/**
 * Reads `length` bytes of SQL at `from`.
 * @param cut whether the text went on
 */
export function readSql(
  bytes: Uint8Array,
  from: number,
  length: number,
  dialect: SqlDialect,
  cut: boolean,
): SqlStatement {
  const to = from + length;
  // The result is never longer: the shortest literal is one byte, as is what replaces it.
  const out = Buffer.allocUnsafe(length);
  const reader = new SqlSummaryReader(bytes);
  const values = new SqlValues(bytes, dialect);
  let end = 0;
  let spaced = false;
  let whole = !cut;
  /** Where the list behind `IN (` begins in `out`. 0: in no list that can be collapsed. */
  let list = 0;
  let afterIn = false;
  let rest = false;
  scanSql(bytes, from, to, dialect, (lexeme, at, until) => {
    if (rest) return;
    if (lexeme === SqlToken.space) {
      spaced = end > 0;
      return;
    }
    const token = values.read(lexeme, at, until, to);
    rest = token === SqlToken.rest;
    if (spaced) out[end++] = space;
    spaced = false;
    const first = bytes[at]!;
    if (token === SqlToken.literal || token === SqlToken.rest) {
      out[end++] = mark;
      if (rest) whole = false;
    } else {
      if (first === 0x29 && list > 0 && out[list] === mark) end = list + 1;
      for (let i = at; i < until; i++) out[end++] = bytes[i]!;
    }
    if (token === SqlToken.symbol && first === 0x28) list = afterIn ? end : 0;
    else if (token !== SqlToken.literal && first !== mark && first !== comma) list = 0;
    afterIn = token === SqlToken.word && isIn(bytes, at, until);
    reader.read(token, at, until);
  });
  return { text: out.toString('utf8', 0, end), ...reader.end(whole) };
}

function isIn(bytes: Uint8Array, from: number, to: number): boolean {
  return to - from === 2 && (bytes[from]! | 0x20) === 0x69 && (bytes[from + 1]! | 0x20) === 0x6e;
}
