/**
 * Words and quoted names that a database takes as values. Their form does not tell, only their place in the statement does:
 *
 *     IDENTIFIED BY secret          a password, bare or in double quotes (Oracle)
 *     SET app.token = secret        a string without quotes (PostgreSQL, MySQL)
 *     EXEC login secret             an argument without quotes (SQL Server)
 *     PRAGMA key = "secret"         SQLite takes any name as a string here, in ATTACH, DETACH and VACUUM INTO,
 *     DEFAULT secret                and as the default of a column (https://sqlite.org/src/file/src/parse.y)
 *     USING csv(file=/secret)       SQLite gives a virtual table its arguments as they stand
 */
import { keywordOf, verbs } from './keywords.ts';
import { type SqlDialect, SqlToken } from './scanner.ts';
import { SqliteNames } from './sqlite-names.ts';

/** Values that say nothing about anybody. */
const constants = new Set('ON OFF TRUE FALSE NULL DEFAULT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP'.split(' '));
/** They stand before the verb. */
const explaining = new Set('EXPLAIN ANALYZE ANALYSE DESCRIBE DESC'.split(' '));

/** How much of `EXEC procedure arguments` came. */
const Call = { none: 0, verb: 1, name: 2 } as const;
type Call = (typeof Call)[keyof typeof Call];

const everywhere = Number.POSITIVE_INFINITY;
const nowhere = -1;

/** Reads the tokens of a text, in their order. */
export class SqlValues {
  readonly #bytes: Uint8Array;
  readonly #dialect: SqlDialect;
  readonly #names: SqliteNames | undefined;
  #verb = '';
  /** The token before this one, in capitals, if it is a keyword. */
  #before = '';
  #depth = 0;
  /** Words and names are values up to this depth of parentheses. */
  #valuesTo = nowhere;
  /** The next one is a value. */
  #valueNext = false;
  /** The names of what is set come, then `=` or `TO`, and values. */
  #sets = false;
  #call: Call = Call.none;
  #virtual = false;
  #rest = false;

  /** @param bytes what the positions of tokens are in */
  constructor(bytes: Uint8Array, dialect: SqlDialect) {
    this.#bytes = bytes;
    this.#dialect = dialect;
    if (dialect === 'sqlite') this.#names = new SqliteNames(bytes);
  }

  /**
   * What a token is at its place: itself, {@link SqlToken.literal} if it is a value, or {@link SqlToken.rest} if it is one with everything
   * behind it. White space is no token here.
   * @param to where the token ends
   * @param end where the text ends
   */
  read(token: SqlToken, from: number, to: number, end: number): SqlToken {
    if (this.#rest) return SqlToken.rest;
    const keyword = token === SqlToken.word ? keywordOf(this.#bytes, from, to) : '';
    const isName = this.#names?.read(token, keyword, from, to, end) ?? true;
    if (this.#call !== Call.none) this.#readCall(token, keyword, this.#bytes[from]!);
    let result = token;
    if (token === SqlToken.word) {
      if (this.#takes(keyword, to < end && this.#bytes[to] === 0x28)) result = SqlToken.literal;
      this.#keyword(keyword);
    } else if (token === SqlToken.quoted) {
      if (!isName || this.#valueNext || this.#depth <= this.#valuesTo) result = SqlToken.literal;
    } else if (token === SqlToken.symbol) {
      this.#symbol(this.#bytes[from]!);
    }
    this.#valueNext = keyword === 'DEFAULT' && this.#before !== 'SET' && this.#names !== undefined;
    this.#before = keyword;
    return result;
  }

  #takes(keyword: string, opens: boolean): boolean {
    if (constants.has(keyword)) return false;
    if (this.#valueNext) return keyword !== 'VALUES';
    if (this.#depth > this.#valuesTo) return false;
    if (this.#verb === 'ATTACH' || this.#verb === 'DETACH') {
      return keyword !== 'DATABASE' && keyword !== 'AS' && keyword !== 'KEY';
    }
    return !(opens && this.#sets);
  }

  #keyword(keyword: string): void {
    if (this.#verb === '' && verbs.has(keyword) && !explaining.has(keyword)) this.#begin(keyword);
    if (this.#before === 'IDENTIFIED' && (keyword === 'BY' || keyword === 'WITH' || keyword === 'VIA')) {
      this.#rest = true;
    } else if (keyword === 'VIRTUAL') {
      this.#virtual = this.#names !== undefined && this.#verb === 'CREATE';
    } else if (keyword === 'INTO' && this.#verb === 'VACUUM') {
      this.#valuesTo = everywhere;
    } else if (keyword === 'SET' && (this.#verb === 'SET' || this.#verb === 'ALTER')) {
      this.#sets = true;
    } else if (keyword === 'TO' && this.#sets) {
      this.#valuesTo = 0;
    }
  }

  #begin(verb: string): void {
    this.#verb = verb;
    if (this.#names && (verb === 'ATTACH' || verb === 'DETACH')) this.#valuesTo = everywhere;
    // Elsewhere, the arguments of EXECUTE are expressions.
    if (this.#dialect === 'other' && (verb === 'EXEC' || verb === 'EXECUTE')) this.#call = Call.verb;
  }

  /** `EXEC @status = [schema].[procedure] argument`, `EXECUTE PROCEDURE procedure`. */
  #readCall(token: SqlToken, keyword: string, byte: number): void {
    if (this.#call === Call.verb) {
      if ((token === SqlToken.word && keyword !== 'PROCEDURE') || token === SqlToken.quoted) this.#call = Call.name;
    } else if (token === SqlToken.symbol && byte === 0x2e) {
      this.#call = Call.verb;
    } else if (token !== SqlToken.symbol || byte !== 0x5d) {
      this.#call = Call.none;
      this.#valuesTo = everywhere;
    }
  }

  #symbol(byte: number): void {
    if (byte === 0x3b) {
      this.#verb = '';
      this.#depth = 0;
      this.#valuesTo = nowhere;
      this.#sets = this.#virtual = false;
      this.#call = Call.none;
    } else if (byte === 0x28) {
      if (this.#verb === 'PRAGMA') this.#valuesTo = everywhere;
      this.#rest = this.#virtual;
      this.#depth++;
    } else if (byte === 0x29) {
      if (this.#depth > 0) this.#depth--;
    } else if (byte === 0x3d) {
      if (this.#verb === 'PRAGMA') this.#valuesTo = everywhere;
      else if (this.#sets && this.#depth === 0) this.#valuesTo = 0;
    } else if (byte === 0x2c && this.#sets && this.#depth === 0 && this.#dialect !== 'postgresql') {
      // Another name comes. In PostgreSQL, it is another value.
      this.#valuesTo = nowhere;
    }
  }
}
