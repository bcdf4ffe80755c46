/** What statements do, and to what, from their tokens. It says only what is certain. */
import {
  afterTables,
  dataVerbs,
  definitionKinds,
  definitionModifiers,
  definitionVerbs,
  keywordOf,
  tableModifiers,
  verbs,
} from './keywords.ts';
import { SqlToken } from './scanner.ts';

export interface SqlSummary {
  /** `db.operation.name`. Undefined if the text has several statements, or none that we know. */
  readonly operation: string | undefined;
  /** `db.collection.name`. Undefined if there are several tables, or none. */
  readonly collection: string | undefined;
  /** `{operation} {collection}` of each statement. It may be empty. */
  readonly summary: string;
}

const maxDepth = 64;
const maxStatements = 8;
const maxCollectionBytes = 128;
const maxSummaryBytes = 255;

interface Statement {
  operation: string;
  tables: string[];
  /** Something that may be a table is not in `tables`. */
  uncertain: boolean;
  values: boolean;
}

/** A table's name as it is being read: `schema`, `.`, `"table"`. */
interface Name {
  text: string;
  dotted: boolean;
  /** In FROM, a parenthesis behind it makes it a function. In INSERT, that begins the columns. */
  readonly callable: boolean;
}

/** Reads the tokens of a text, in their order. */
export class SqlSummaryReader {
  readonly #bytes: Uint8Array;
  readonly #statements: Statement[] = [];
  #now: Statement | undefined;
  #begun = false;
  #with = false;
  #expectsTable: 'from' | 'into' | undefined;
  #expectsKind = false;
  #name: Name | undefined;
  #last = '';
  /** By parenthesis: whether it holds a query, and whether its list of tables is open. */
  readonly #queries: boolean[] = [true];
  readonly #tables: boolean[] = [false];
  #opened = false;

  /** @param bytes what the positions of tokens are in */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Takes a token. Spaces and the ambiguous rest say nothing. */
  read(token: SqlToken, from: number, to: number): void {
    if (token === SqlToken.word) this.#word(from, to);
    else if (token === SqlToken.quoted) this.#quoted(from, to);
    else if (token === SqlToken.literal || token === SqlToken.parameter) this.#literal();
    else if (token === SqlToken.symbol) this.#symbol(this.#bytes[from]!);
  }

  #text(from: number, to: number): string {
    const { buffer, byteOffset } = this.#bytes;
    return Buffer.from(buffer, byteOffset + from, to - from).toString('utf8');
  }

  #word(from: number, to: number): void {
    const upper = keywordOf(this.#bytes, from, to);
    if (this.#name && !this.#name.dotted) this.#closeName();
    if (this.#name?.dotted) {
      this.#nameGoesOn(this.#text(from, to));
      return;
    }
    const depth = this.#queries.length - 1;
    if (this.#opened) this.#queries[depth] = upper === 'SELECT' || upper === 'WITH' || upper === 'VALUES';
    this.#opened = false;
    if (!this.#begun) this.#verb(upper);
    else if (this.#with && depth === 0 && dataVerbs.has(upper)) this.#mainVerb(upper);
    else if (this.#expectsKind) this.#kind(upper, from, to);
    else if (this.#expectsTable) this.#tableWord(upper, from, to);
    else this.#keyword(upper, depth);
    this.#last = upper;
  }

  /** An identifier with its quotes. */
  #quoted(from: number, to: number): void {
    const text = this.#text(from, to);
    const mark = text.at(-1)!;
    const inner = text.slice(1, -1).replaceAll(mark + mark, mark);
    if (this.#name && !this.#name.dotted) this.#closeName();
    if (this.#name?.dotted) this.#nameGoesOn(inner);
    else if (this.#expectsTable) this.#startName(inner);
    this.#begun = true;
    this.#opened = false;
    this.#last = '';
  }

  #literal(): void {
    this.#closeName();
    // It may be a table's name in quotes.
    if (this.#expectsTable && this.#now) this.#now.uncertain = true;
    this.#begun = true;
    this.#opened = false;
    this.#expectsTable = undefined;
    this.#last = '';
  }

  #symbol(byte: number): void {
    if (byte === 0x2e && this.#name) {
      // `database..table`
      if (this.#name.dotted) this.#name.text += '.';
      this.#name.dotted = true;
      return;
    }
    const depth = this.#queries.length - 1;
    if (byte === 0x28) this.#open();
    else this.#closeName();
    if (byte === 0x29 && depth > 0) {
      this.#queries.pop();
      this.#tables.pop();
    } else if (byte === 0x2c && this.#tables[depth] && this.#now) {
      this.#now.uncertain = true;
    } else if (byte === 0x3b && depth === 0) {
      this.#endStatement();
      return;
    }
    if (byte !== 0x28) this.#expectsTable = undefined;
    this.#opened = byte === 0x28;
    this.#last = '';
  }

  /** @param whole whether these were all tokens of the text */
  end(whole: boolean): SqlSummary {
    this.#closeName();
    if (!whole && this.#now && !this.#now.values) this.#now.uncertain = true;
    this.#endStatement();
    const only = this.#statements.length === 1 ? this.#statements[0] : undefined;
    return {
      operation: only?.operation,
      collection: only && collectionOf(only),
      summary: summaryOf(this.#statements),
    };
  }

  #verb(upper: string): void {
    this.#begun = true;
    if (!verbs.has(upper) || this.#statements.length >= maxStatements) return;
    this.#now = { operation: upper, tables: [], uncertain: false, values: false };
    this.#with = upper === 'WITH';
    if (this.#with) this.#now.uncertain = true;
    this.#expectsKind = definitionVerbs.has(upper);
    if (upper === 'UPDATE') this.#listOfTables();
    else if (upper === 'COPY' || upper === 'TABLE') this.#expectsTable = 'into';
  }

  /** The verb behind `WITH x AS (…)`. */
  #mainVerb(upper: string): void {
    this.#now!.operation = upper;
    this.#with = false;
  }

  #kind(upper: string, from: number, to: number): void {
    if (definitionModifiers.has(upper)) return;
    this.#expectsKind = false;
    const now = this.#now!;
    if (definitionKinds.has(upper)) {
      now.operation = `${now.operation} ${upper}`;
      if (upper === 'TABLE' || upper === 'VIEW') this.#definedTables();
    } else if (now.operation === 'TRUNCATE') {
      this.#definedTables();
      this.#tableWord(upper, from, to);
    }
  }

  #tableWord(upper: string, from: number, to: number): void {
    if (tableModifiers.has(upper)) return;
    if (upper === 'INTO' || upper === 'TABLE') return;
    if (afterTables.has(upper) && upper !== 'SELECT' && upper !== 'VALUES') {
      this.#expectsTable = undefined;
      return;
    }
    if (upper === 'LATERAL' || upper === 'SELECT' || upper === 'VALUES' || upper === 'UNNEST') {
      this.#expectsTable = undefined;
      if (this.#now) this.#now.uncertain = true;
      return;
    }
    this.#startName(this.#text(from, to));
  }

  #keyword(upper: string, depth: number): void {
    const now = this.#now;
    if (!now) return;
    if (upper === 'FROM') {
      if (!this.#queries[depth] || this.#last === 'DISTINCT' || now.operation === 'COPY') return;
      this.#listOfTables();
    } else if (upper === 'JOIN' || upper === 'STRAIGHT_JOIN') {
      this.#expectsTable = 'from';
    } else if (upper === 'INTO') {
      this.#expectsTable = 'into';
    } else if (upper === 'USING' && (now.operation === 'DELETE' || now.operation === 'MERGE')) {
      now.uncertain = true;
    } else if (afterTables.has(upper)) {
      this.#tables[depth] = false;
      if (upper === 'VALUES') now.values = true;
    }
  }

  #listOfTables(): void {
    this.#expectsTable = 'from';
    this.#tables[this.#tables.length - 1] = true;
  }

  /** `DROP TABLE a, b`. A parenthesis behind the name holds columns. */
  #definedTables(): void {
    this.#listOfTables();
    this.#expectsTable = 'into';
  }

  #startName(text: string): void {
    this.#name = { text, dotted: false, callable: this.#expectsTable === 'from' };
    this.#expectsTable = undefined;
  }

  #nameGoesOn(text: string): void {
    const name = this.#name!;
    name.text += `.${text}`;
    name.dotted = false;
  }

  #closeName(): void {
    const name = this.#name;
    if (!name) return;
    this.#name = undefined;
    // What follows the dot was not read as a name.
    if (name.dotted && this.#now) this.#now.uncertain = true;
    const tables = this.#now?.tables;
    if (tables && !name.dotted && !tables.includes(name.text)) tables.push(name.text);
  }

  #open(): void {
    if (this.#name?.callable) {
      this.#name = undefined;
      if (this.#now) this.#now.uncertain = true;
    } else {
      this.#closeName();
    }
    this.#expectsTable = undefined;
    if (this.#queries.length < maxDepth) {
      this.#queries.push(false);
      this.#tables.push(false);
    } else if (this.#now) {
      this.#now.uncertain = true;
    }
  }

  #endStatement(): void {
    if (this.#now) this.#statements.push(this.#now);
    this.#now = undefined;
    this.#begun = false;
    this.#with = false;
    this.#expectsKind = false;
    this.#expectsTable = undefined;
    this.#queries.length = 1;
    this.#tables.length = 1;
    this.#tables[0] = false;
  }
}

function collectionOf({ tables, uncertain }: Statement): string | undefined {
  const [only] = tables;
  return only !== undefined && tables.length === 1 && !uncertain && only.length <= maxCollectionBytes
    ? only
    : undefined;
}

function summaryOf(statements: readonly Statement[]): string {
  const parts = statements.map((statement) => {
    const collection = collectionOf(statement);
    return collection === undefined ? statement.operation : `${statement.operation} ${collection}`;
  });
  const summary = parts.join('; ');
  return summary.length <= maxSummaryBytes ? summary : statements.map(({ operation }) => operation).join('; ');
}
