/**
 * SQLite itself says what it takes as a string: the program that EXPLAIN shows loads each one with `String8`. No such string may be left
 * in what `readSql` gives.
 */
import { DatabaseSync } from 'node:sqlite';
import { readSql } from '../../src/sql/text.ts';
import type { Random } from './random.ts';

/** What marks begin with. No other token of these statements has it. */
const mark = 'zq';
const schema = `
  CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, "full name" TEXT, user_id INTEGER, total REAL, "select" TEXT);
  CREATE TABLE orders (id INTEGER PRIMARY KEY, email TEXT, "full name" TEXT, user_id INTEGER, total REAL, "select" TEXT);
  CREATE VIEW totals AS SELECT * FROM orders;`;

/** `@` is a mark in any kind of quotes, or a name that exists. `T` is a table, `C` a column, `W` a bare word. */
const templates = [
  'SELECT @ FROM T WHERE C = @',
  'SELECT C AS @ , @ FROM T AS @ WHERE C LIKE @ OR C IN ( @ , @ ) ORDER BY @ , C LIMIT 3',
  'SELECT DISTINCT @ , C FROM T @ JOIN T AS b ON @ = @ LEFT JOIN T c USING ( id ) WHERE C IS NOT DISTINCT FROM @',
  'SELECT CASE @ WHEN @ THEN @ ELSE @ END , CAST ( @ AS @ ) FROM T , T AS x GROUP BY @ HAVING @ = @',
  'SELECT max ( @ , @ ) OVER ( PARTITION BY @ ORDER BY @ ) FROM T WINDOW @ AS ( ORDER BY @ )',
  'SELECT @ COLLATE NOCASE , @ || @ , - @ , @ -> @ , x.C FROM T AS x WHERE @ GLOB @ AND @ BETWEEN @ AND @',
  'SELECT upper ( @ ) FROM ( SELECT @ AS @ FROM T ) @ WHERE EXISTS ( SELECT @ FROM T )',
  'SELECT * FROM json_each ( @ ) , json_each ( @ ) AS @ WHERE @ IS @',
  'WITH @ AS ( SELECT @ ) , b ( @ ) AS ( VALUES ( @ ) ) SELECT @ FROM b UNION ALL SELECT @',
  'WITH RECURSIVE a ( n ) AS ( SELECT 1 UNION SELECT n + 1 FROM a WHERE n < @ ) SELECT @ , n FROM a',
  'INSERT INTO T ( C , C ) VALUES ( @ , @ ) , ( @ , @ ) RETURNING @ , C AS @',
  'INSERT OR IGNORE INTO T ( email ) SELECT @ FROM T WHERE @ ON CONFLICT ( C ) DO UPDATE SET C = @ , C = @ WHERE @',
  'INSERT INTO T AS @ DEFAULT VALUES',
  'REPLACE INTO users ( C , C ) VALUES ( @ , @ )',
  'UPDATE T SET C = @ , C = @ || C WHERE C = @ RETURNING @',
  'UPDATE OR FAIL T AS @ SET ( C , C ) = ( @ , @ ) FROM T AS b , T c WHERE @ = @',
  'DELETE FROM T AS @ WHERE C = @ OR C IN ( @ ) RETURNING @ AS @',
  'CREATE TABLE @ ( @ TEXT DEFAULT @ , @ @ COLLATE NOCASE CHECK ( @ <> @ ) , d DEFAULT W , CHECK ( @ ) , UNIQUE ( @ ) )',
  'CREATE TABLE t ( a DEFAULT @ NOT NULL , b REFERENCES T ( id ) ON UPDATE CASCADE ON DELETE SET DEFAULT DEFAULT @ , c AS ( @ ) )',
  'CREATE TABLE t AS SELECT @ AS @ , ( @ ) FROM T',
  'CREATE INDEX @ ON T ( C , @ ) WHERE @ = @',
  'CREATE VIEW v ( a , b ) AS SELECT @ , @ FROM T',
  'CREATE TRIGGER t AFTER UPDATE OF C ON T WHEN @ = @ BEGIN UPDATE T SET C = @ , C = @ WHERE @ ; INSERT INTO T ( email ) VALUES ( @ ) ; END',
  'CREATE TRIGGER t INSTEAD OF INSERT ON totals BEGIN SELECT RAISE ( ABORT , @ ) ; DELETE FROM T WHERE C = @ ; END',
  'ALTER TABLE T ADD COLUMN @ TEXT DEFAULT @',
  'ALTER TABLE T ADD @ DEFAULT W',
  'ATTACH @ AS @',
  'ATTACH DATABASE W AS W',
  'DETACH @',
  'VACUUM INTO @',
  'VACUUM main INTO @',
  'EXPLAIN SELECT @ FROM T',
  'VALUES ( @ , @ ) , ( W , @ )',
  'SELECT $a , :b , @c , ?1 , #d , $e::f , @ , $g( @',
];
const tables = ['users', 'orders', 'totals', '"users"', '[orders]', '`totals`', 'main.users', '"main" . "orders"'];
const columns = [
  'id',
  'email',
  'total',
  '"id"',
  '"full name"',
  '[select]',
  '`user_id`',
  '"total"',
  '"users"."email"',
  'b."id"',
];
const anything = [
  ...new Set(templates.flatMap((template) => template.split(' '))),
  ...[
    '"',
    "'",
    '`',
    '[',
    ']',
    '.',
    '"" ""',
    '--\n',
    '/* " */',
    "/* ' */",
    '\ufeff',
    '=',
    '1',
    '.5',
    "x'00'",
    '->>',
    '::',
    '$x(',
    '#',
  ],
  ...[
    'INDEXED',
    'NATURAL',
    'CROSS',
    'FILTER',
    'NULLS',
    'LAST',
    'EXCEPT',
    'INTERSECT',
    'MATERIALIZED',
    'TEMP',
    'IF',
    'REGEXP',
    'MATCH',
  ],
  ...[
    'ROWS',
    'OFFSET',
    'GENERATED',
    'ALWAYS',
    'STORED',
    'STRICT',
    'WITHOUT',
    'ROWID',
    'PRIMARY',
    'FOREIGN',
    'DESC',
    'ESCAPE',
    'NULL',
  ],
];

export class SqliteLiterals {
  readonly #db = new DatabaseSync(':memory:', { enableDoubleQuotedStringLiterals: true });

  constructor() {
    this.#db.exec(schema);
  }

  /** Whether SQLite takes the statement. Throws if a string of it is left. */
  check(sql: string): boolean {
    const strings = this.strings(sql);
    if (strings === undefined) return false;
    const bytes = Buffer.from(sql);
    const { text, summary, operation = '', collection = '' } = readSql(bytes, 0, bytes.length, 'sqlite', false);
    const out = `${text} ${summary} ${operation} ${collection}`;
    for (const string of strings) {
      for (const [secret] of string.matchAll(/zq\d+_\d+_/g)) {
        if (out.includes(secret)) throw new Error(`SQLite has the string ${secret} in ${JSON.stringify(sql)}: ${out}`);
      }
    }
    return true;
  }

  close(): void {
    this.#db.close();
  }

  /** What SQLite takes as strings, and a few other texts of its program. Undefined if it refuses the statement. */
  strings(sql: string): string[] | undefined {
    this.#db.exec('SAVEPOINT before');
    try {
      if (!/\b(CREATE|ALTER)\b/.test(sql)) return this.#explained(sql);
      // A definition is run. One that repeats itself might not end.
      const begin = sql.replace(/^(\s|\ufeff|--.*\n|\/\*.*?\*\/)+/, '');
      if (!/^(CREATE|ALTER)\b/.test(begin) || /RECURSIVE/.test(sql)) return undefined;
      // The program of a definition has its whole text as a string. What it defines shows in the programs of others.
      const tablesBefore = this.#tables();
      this.#db.prepare(sql).run();
      const strings: string[] = [];
      for (const table of new Set([...this.#tables(), ...tablesBefore])) {
        const name = `"${table.replaceAll('"', '""')}"`;
        for (const use of [`INSERT INTO ${name} DEFAULT VALUES`, `DELETE FROM ${name}`, `SELECT * FROM ${name}`]) {
          strings.push(...(this.#tryExplained(use) ?? []));
        }
        for (const { dflt_value: value } of this.#db
          .prepare('SELECT dflt_value FROM pragma_table_xinfo(?)')
          .all(table)) {
          strings.push(String(value));
        }
      }
      strings.push(...(this.#tryExplained('UPDATE users SET email = id') ?? []));
      strings.push(...(this.#tryExplained('UPDATE orders SET total = id') ?? []));
      return strings;
    } catch {
      return undefined;
    } finally {
      this.#db.exec('ROLLBACK TO before; RELEASE before');
    }
  }

  #tables(): string[] {
    return this.#db
      .prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
      .all()
      .map(({ name }) => String(name));
  }

  #tryExplained(sql: string): string[] | undefined {
    try {
      return this.#explained(sql);
    } catch {
      return undefined;
    }
  }

  #explained(sql: string): string[] {
    const rows = this.#db.prepare(/^\s*EXPLAIN\b/i.test(sql) ? sql : `EXPLAIN ${sql}`).all();
    return rows.filter(({ opcode }) => opcode === 'String8' || opcode === 'String').map(({ p4 }) => String(p4));
  }
}

/** A statement, often with a fault in it. `count` makes its marks different from those of others. */
export function randomSqlite(random: Random, count: number): string {
  let tokens = random.pick(templates).split(' ');
  if (random.below(6) === 0) {
    const other = random.pick(templates).split(' ');
    const at = random.below(other.length);
    tokens.splice(random.below(tokens.length), random.below(4), ...other.slice(at, at + 1 + random.below(8)));
  }
  for (let changes = random.below(5) - 2; changes > 0; changes--) {
    const at = random.below(tokens.length + 1);
    const change = random.below(3);
    if (change === 0) tokens.splice(at, 1);
    else if (change === 1) tokens.splice(at, 0, random.pick(anything));
    else tokens.splice(at, 1, random.pick(anything));
  }
  if (random.below(30) === 0) tokens = ['\ufeff', ...tokens];
  let marks = 0;
  const filled = tokens.map((token) => {
    const word = `${mark}${count}_${marks++}_`;
    if (token === 'T') return random.pick(tables);
    if (token === 'C') return random.pick(columns);
    if (token === 'W') return word;
    return token === '@' ? quoted(random, word) : token;
  });
  return filled.join(random.below(30) === 0 ? '' : random.pick([' ', ' ', '\n', ' /* it */ ']));
}

/** Mostly in double quotes, because those are hard to tell. */
function quoted(random: Random, word: string): string {
  switch (random.below(32)) {
    case 0:
      return `"${word}"."${word}"`;
    case 1:
      return `[${word}]`;
    case 2:
      return `\`${word}\``;
    case 3:
      return word;
    case 4:
    case 5:
      return random.pick(columns);
    case 6:
    case 7:
      return `'${word}'`;
    case 8:
      return `"${word}""'"`;
    default:
      return `"${word}"`;
  }
}
