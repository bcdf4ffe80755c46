/** Secrets in all forms of values that a dialect has. None may show again, whatever stands around it and wherever the text is cut. */
import type { SqlDialect } from '../../src/sql/scanner.ts';
import { readSql } from '../../src/sql/text.ts';
import type { Random } from './random.ts';

export const dialects: readonly SqlDialect[] = ['postgresql', 'mysql', 'sqlite', 'other'];

const secret = 'zq7secret8';
const traces = /zq7|secret|7171|71\.71|ecret8/i;

const literals: Readonly<Record<SqlDialect, readonly string[]>> = {
  postgresql: [
    `'${secret}'`,
    `E'a\\'${secret}'`,
    `$t$'${secret}$t$`,
    `$$${secret}''$$`,
    `'a''${secret}'`,
    '71717171',
    '7.171e71',
  ],
  mysql: [`'${secret}'`, `"${secret}"`, `'a''${secret}'`, `'a\\'${secret}'`, `"a\\"${secret}"`, '0x71717171', '7171'],
  sqlite: [`'${secret}'`, `'\\'`, `'a''${secret}'`, `x'7171'`, '71.71'],
  other: [`'${secret}'`, `"${secret}"`, `E'a\\'${secret}'`, `$t$'${secret}$t$`, `q'[a'${secret}]'`, '7171'],
};
const between = [
  'SELECT ',
  ' a, ',
  ' FROM t ',
  ' = ',
  ' IN (',
  ') ',
  ' -- note\n',
  '/* note */',
  ',',
  '::int ',
  '"x" ',
  '`y` ',
  '[z] ',
  ' $1 ',
  ' ? ',
  ' :n ',
  ';',
  '(',
  '#\n',
  '\\ ',
];
const anywhere = [
  `IDENTIFIED BY ${secret}`,
  `identified by "${secret}"`,
  `IDENTIFIED BY a REPLACE ${secret}`,
  `IDENTIFIED WITH sha256_password BY ${secret}`,
];
/** They are the whole text. */
const statements: Readonly<Record<SqlDialect, readonly string[]>> = {
  postgresql: [`SET app.x = ${secret}`, `SET LOCAL x TO a, "${secret}"`, `ALTER ROLE r SET app.x TO ${secret}`],
  mysql: [`SET SESSION x = ${secret}`, `SET a = 1, b := ${secret}`],
  sqlite: [
    `PRAGMA key = "${secret}"`,
    `PRAGMA main.key=[${secret}]`,
    `PRAGMA rekey(${secret})`,
    `ATTACH DATABASE 'a' AS b KEY "${secret}"`,
    `ATTACH \`${secret}\` AS b`,
    `VACUUM INTO "${secret}"`,
    `CREATE TABLE t (a DEFAULT ${secret})`,
    `CREATE VIRTUAL TABLE t USING csv(file=/${secret}, @${secret})`,
    `SELECT a FROM t WHERE b = "${secret}"`,
  ],
  other: [`EXEC dbo.login ${secret}, @p1`, `EXEC @s = [a].[b] [${secret}]`, `EXECUTE login @p = ${secret}`],
};

/** A text with secrets, which may make no sense. */
export function randomSql({ below, pick }: Random, dialect: SqlDialect): string {
  if (below(4) === 0) return pick([' ', '/* note */', 'EXPLAIN ', 'BEGIN;']) + pick(statements[dialect]);
  let sql = '';
  for (let parts = 1 + below(6); parts > 0; parts--) sql += pick(between) + pick(literals[dialect]);
  if (below(8) === 0) sql += `${pick(between)} ${pick(anywhere)}`;
  return sql;
}

/** Throws if something of a secret is left. Every other text is cut. */
export function checkSql(sql: string, dialect: SqlDialect, { below }: Random): void {
  const bytes = Buffer.from(sql);
  const cut = below(2) === 1;
  const length = cut ? below(bytes.length + 1) : bytes.length;
  const { text, summary, collection = '' } = readSql(bytes, 0, length, dialect, cut);
  const out = `${text} ${summary} ${collection}`;
  if (traces.test(out)) throw new Error(`${dialect}: ${JSON.stringify(sql)}, ${length} bytes of it: ${out}`);
}
