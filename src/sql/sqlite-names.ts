/**
 * Which words in double quotes are names for SQLite. It takes one as a string if it is an operand and no column has that name
 * (https://sqlite.org/quirks.html#double_quoted_string_literals_are_accepted). Without the schema, only places are certain where the grammar
 * has names alone (https://sqlite.org/src/file/src/parse.y): tables and their aliases, lists of columns, what is defined, what `AS` names,
 * and either side of a dot.
 */
import { isDigitAt, isSpace } from './lexemes.ts';
import { SqlToken } from './scanner.ts';

const set = (list: string): ReadonlySet<string> => new Set(list.split(' '));

/** A name follows. */
const beforeName = set(
  'AS COLLATE REFERENCES CONSTRAINT TO RENAME ADD DROP COLUMN TABLE INDEX VIEW TRIGGER SAVEPOINT RELEASE',
);
/** A list of tables ends, or an operand follows. */
const afterTables = set(
  'WHERE GROUP HAVING ORDER LIMIT OFFSET UNION EXCEPT INTERSECT WINDOW RETURNING ON USING VALUES SELECT WHEN BEGIN DEFAULT DO CASE ' +
    'THEN ELSE END AND OR NOT LIKE GLOB MATCH REGEXP ESCAPE IN IS BETWEEN CHECK WITH DISTINCT ALL BY KEY',
);

/** What the names at a depth of parentheses are. */
const List = {
  /** Operands. */
  none: 0,
  /** Tables and aliases. */
  tables: 1,
  /** The table of `INSERT INTO`. A parenthesis behind it has names. */
  into: 2,
  names: 3,
  /** `SET a = 1, b = 2`: a name follows each comma. */
  assignments: 4,
  /** Definitions of columns: the same. */
  columns: 5,
} as const;
type List = (typeof List)[keyof typeof List];

/** Reads the tokens of a text, in their order. */
export class SqliteNames {
  readonly #bytes: Uint8Array;
  #lists: List[] = [List.none];
  #verb = '';
  /** The keyword or symbol before this token. */
  #before = '';
  /** What CREATE defines, until that is known to need nothing more. */
  #defines = '';
  #nameNext = false;

  /** @param bytes what the positions of tokens are in */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * Whether this is a name, if it is quoted. It is false for what may be a string.
   * @param keyword the token in capitals, if it is one
   * @param end where the text ends
   */
  read(token: SqlToken, keyword: string, from: number, to: number, end: number): boolean {
    const byte = this.#bytes[from]!;
    const isName = token === SqlToken.quoted && (byte !== 0x22 || this.#isName(to, end));
    if (token === SqlToken.word) this.#word(keyword);
    else if (token === SqlToken.symbol) this.#symbol(byte, to - from);
    else if (token === SqlToken.quoted) this.#nameNext = false;
    else this.#operand();
    this.#before = token === SqlToken.symbol ? String.fromCharCode(byte) : keyword;
    return isName;
  }

  get #list(): List {
    return this.#lists.at(-1)!;
  }

  set #list(list: List) {
    this.#lists[this.#lists.length - 1] = list;
  }

  #isName(to: number, end: number): boolean {
    const list = this.#list;
    if (this.#nameNext || list === List.tables || list === List.into || list === List.names) return true;
    if (this.#before === '.') return true;
    let at = to;
    while (at < end && isSpace(this.#bytes[at]!)) at++;
    return at < end && this.#bytes[at] === 0x2e && !isDigitAt(this.#bytes, at + 1, end);
  }

  #word(keyword: string): void {
    this.#nameNext = beforeName.has(keyword);
    if (keyword === '') return;
    if (this.#verb === '' && keyword !== 'EXPLAIN') this.#verb = keyword;
    const defines = this.#verb === 'CREATE' || this.#verb === 'DROP' || this.#verb === 'ALTER';
    if (keyword === 'FROM' && this.#before === 'DISTINCT') this.#list = List.none;
    else if (keyword === 'FROM' || keyword === 'JOIN') this.#list = List.tables;
    else if (keyword === 'UPDATE' && this.#before !== 'ON') this.#list = List.tables;
    else if (keyword === 'INTO' && this.#verb !== 'VACUUM') this.#list = List.into;
    else if (keyword === 'SET') {
      this.#list = List.assignments;
      this.#nameNext = true;
    } else if (keyword === 'ON' && (this.#defines === 'INDEX' || this.#defines === 'TRIGGER')) {
      this.#defines = '';
      this.#list = List.tables;
    } else if (keyword === 'EXISTS') this.#nameNext = defines;
    else if (keyword === 'TABLE' || keyword === 'INDEX' || keyword === 'TRIGGER') {
      if (this.#verb === 'CREATE') this.#defines = keyword;
    } else if (keyword === 'AS') this.#defines = '';
    else if (afterTables.has(keyword) && this.#list !== List.columns) this.#list = List.none;
  }

  #symbol(byte: number, length: number): void {
    const list = this.#list;
    const nameNext = this.#nameNext;
    this.#nameNext = false;
    if (byte === 0x3b) {
      this.#lists = [List.none];
      this.#verb = this.#defines = '';
    } else if (byte === 0x28) {
      this.#open(list, nameNext);
    } else if (byte === 0x29) {
      if (this.#lists.length > 1) this.#lists.pop();
      if (this.#list === List.into) this.#list = List.none;
    } else if (byte === 0x2c) {
      this.#nameNext = list === List.assignments || list === List.columns;
    } else if (byte !== 0x2e || length !== 1) {
      this.#operand();
    }
  }

  #open(list: List, nameNext: boolean): void {
    let inner: List = List.none;
    if (list === List.into || (list === List.assignments && nameNext)) inner = List.names;
    else if (this.#defines === 'TABLE' && this.#lists.length === 1) {
      inner = List.columns;
      this.#nameNext = true;
      this.#defines = '';
    }
    this.#lists.push(inner);
  }

  /** Something that no list of tables has. */
  #operand(): void {
    this.#nameNext = false;
    if (this.#list === List.tables || this.#list === List.into) this.#list = List.none;
  }
}
