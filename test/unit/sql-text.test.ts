import { describe, expect, test } from 'vitest';
import type { SqlDialect } from '../../src/sql/scanner.ts';
import { readSql } from '../../src/sql/text.ts';
import { randomFrom } from '../fuzz/random.ts';
import { checkSql, dialects, randomSql } from '../fuzz/sql-secrets.ts';

const read = (sql: string, dialect: SqlDialect = 'postgresql', cut = false) => {
  const bytes = Buffer.from(sql);
  return readSql(bytes, 0, bytes.length, dialect, cut);
};
const text = (sql: string, dialect?: SqlDialect, cut?: boolean) => read(sql, dialect, cut).text;

describe.each(dialects)('what every database reads alike: %s', (dialect) => {
  test.each([
    ["SELECT 'a', 'it''s', ''", 'SELECT ?, ?, ?'],
    ['SELECT 1, -2.5, .5, 1e-9, 0x1F, 1_000, 12abc', 'SELECT ?, -?, ?, ?, ?, ?, ?'],
    ["SELECT x'1F', B'01', N'name'", 'SELECT ?, ?, ?'],
    ['SELECT t1.c2 FROM schema1.t1', 'SELECT t1.c2 FROM schema1.t1'],
    ['SELECT ?, ?1, :name, @p1, @@version', 'SELECT ?, ?1, :name, @p1, @@version'],
    ['a=:1 AND b = :2', 'a=:1 AND b = :2'],
    ['  SELECT\n\t1 ;\r\n ', 'SELECT ? ;'],
    ["SELECT 1 -- it's a note\nFROM t", 'SELECT ? FROM t'],
    ["SELECT /* it's 'one' */ a", 'SELECT a'],
    ['SELECT 1 /* never ends', 'SELECT ?'],
    ['a IN (1, 2,3) AND b IN (?, ?)', 'a IN (?) AND b IN (?)'],
    ["a in ('x')", 'a in (?)'],
    ['a IN (1, b, 2)', 'a IN (?, b, ?)'],
    ['VALUES (1, 2), (3, 4)', 'VALUES (?, ?), (?, ?)'],
    ["SELECT 'ünïcode', größe FROM ärger", 'SELECT ?, größe FROM ärger'],
    ['', ''],
    [' \n ', ''],
    ["'", '?'],
    ["SELECT 'cut", 'SELECT ?'],
    ["SELECT 'a\\\\', b", 'SELECT ?, b'],
    ['a[1]', 'a[?]'],
  ])('%j', (sql, expected) => {
    // SQLite has names in brackets.
    expect(text(sql, dialect)).toBe(sql === 'a[1]' && dialect === 'sqlite' ? sql : expected);
  });
});

describe('PostgreSQL', () => {
  test.each([
    ["E'it\\'s', e'\\\\', b", '?, ?, b'],
    ['$$a$$, $tag$ $$ it $tag$, $1, a$b', '?, ?, $1, a$b'],
    ['$tag$ never ends', '?'],
    ['$ta', '?'],
    ['"Users"."a""b"', '"Users"."a""b"'],
    ["a::int, '{\"k\":1}'::jsonb, a->'k', a #> b", 'a::int, ?::jsonb, a->?, a #> b'],
    ['a[1:5], a[n:12]', 'a[?:?], a[n:?]'],
    ["/* a /* 'b' */ 'c' */ d", 'd'],
    ["U&'d\\0061t'", 'U&?'],
    ["1 --x'y\n+2", '? +?'],
    ["'a\\' , 'b'", '?'],
    ['@ 5, @5', '@ ?, @?'],
  ])('%j', (sql, expected) => expect(text(sql)).toBe(expected));
});

describe('MySQL', () => {
  test.each([
    ['"a", "it""s", `b``c`', '?, ?, `b``c`'],
    ["1 # it's\n+ 2 -- x\n+ 3", '? + ? + ?'],
    ["5--'a'", '??'],
    ["/*! SELECT 'a */ b' */", '?'],
    ["SELECT a, 'it\\'s', b", 'SELECT a, ?'],
    ["_utf8'abc'", '_utf8?'],
    ['SELECT * FROM 2024_log', 'SELECT * FROM ?'],
  ])('%j', (sql, expected) => expect(text(sql, 'mysql')).toBe(expected));
});

describe('SQLite', () => {
  test.each([
    ["[it's], a.\"b\", `c`, 'C:\\'", '[it\'s], a."b", `c`, ?'],
    ['$name, ?12', '$name, ?12'],
    ["[never ends 'a'", '?'],
    ["SELECT $a('), 'b'", 'SELECT ?'],
    ["\ufeffPRAGMA key = 'b'", 'PRAGMA key = ?'],
  ])('%j', (sql, expected) => expect(text(sql, 'sqlite')).toBe(expected));
});

describe('SQLite: double quotes, where only the place tells a string from a name', () => {
  test.each([
    ['SELECT "id" FROM "users" WHERE email = "b@x"', 'SELECT ? FROM "users" WHERE email = ?'],
    ['SELECT "u"."id" AS "user id" FROM "users" "u"', 'SELECT "u"."id" AS "user id" FROM "users" "u"'],
    ['SELECT a FROM "t" AS "x", "s"."u" JOIN "v" ON "a" = "b"', 'SELECT a FROM "t" AS "x", "s"."u" JOIN "v" ON ? = ?'],
    ['SELECT a IS NOT DISTINCT FROM "b"', 'SELECT a IS NOT DISTINCT FROM ?'],
    ['INSERT INTO "t" ("a", "b") VALUES ("c", ?)', 'INSERT INTO "t" ("a", "b") VALUES (?, ?)'],
    ['UPDATE "t" SET "a" = "b", "c" = ? WHERE "d" = 1', 'UPDATE "t" SET "a" = ?, "c" = ? WHERE ? = ?'],
    ['DELETE FROM "t" WHERE "t"."a" = "b"', 'DELETE FROM "t" WHERE "t"."a" = ?'],
    ['CREATE TABLE "t" ("a" TEXT DEFAULT "x", "b" INT)', 'CREATE TABLE "t" ("a" TEXT DEFAULT ?, "b" INT)'],
    ['CREATE INDEX IF NOT EXISTS "i" ON "t" ("a")', 'CREATE INDEX IF NOT EXISTS "i" ON "t" (?)'],
    ['ALTER TABLE "t" RENAME COLUMN "a" TO "b"', 'ALTER TABLE "t" RENAME COLUMN "a" TO "b"'],
    ['SELECT json ->> "key" FROM t', 'SELECT json ->> ? FROM t'],
  ])('%s', (sql, expected) => expect(text(sql, 'sqlite')).toBe(expected));

  test.each([
    ['PRAGMA key = "secret"', 'PRAGMA key = ?'],
    ['PRAGMA main.key(secret)', 'PRAGMA main.key(?)'],
    ['PRAGMA foreign_keys = ON', 'PRAGMA foreign_keys = ON'],
    ['ATTACH DATABASE "a.db" AS b KEY [secret]', 'ATTACH DATABASE ? AS ? KEY ?'],
    ['VACUUM main INTO "a.db"', 'VACUUM main INTO ?'],
    ['CREATE TABLE t (a DEFAULT secret, b DEFAULT NULL)', 'CREATE TABLE t (a DEFAULT ?, b DEFAULT NULL)'],
    ['CREATE VIRTUAL TABLE t USING csv(file=/secret)', 'CREATE VIRTUAL TABLE t USING csv(?'],
    ['INSERT INTO t DEFAULT VALUES', 'INSERT INTO t DEFAULT VALUES'],
  ])('any name is a string: %s', (sql, expected) => expect(text(sql, 'sqlite')).toBe(expected));
});

describe.each(dialects)('a password behind IDENTIFIED BY, in any form: %s', (dialect) => {
  test.each([
    ['ALTER USER a IDENTIFIED BY secret', 'ALTER USER a IDENTIFIED BY ?'],
    ['create user a identified by "secret" replace "old"', 'create user a identified by ?'],
    ["CREATE USER a IDENTIFIED WITH sha BY 'secret'", 'CREATE USER a IDENTIFIED WITH ?'],
    ['GRANT CONNECT TO a, b IDENTIFIED /* it */ BY s1, s2', 'GRANT CONNECT TO a, b IDENTIFIED BY ?'],
    ['SELECT identified FROM t', 'SELECT identified FROM t'],
  ])('%s', (sql, expected) => expect(text(sql, dialect)).toBe(expected));
});

describe('values without quotes', () => {
  test.each([
    ['postgresql', 'SET app.token = secret', 'SET app.token = ?'],
    ['postgresql', 'SET search_path TO a, "B"', 'SET search_path TO ?, ?'],
    ['postgresql', 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED', 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED'],
    ['postgresql', 'ALTER ROLE r SET app.token TO secret', 'ALTER ROLE r SET app.token TO ?'],
    ['postgresql', 'UPDATE t SET a = b', 'UPDATE t SET a = b'],
    ['postgresql', 'EXECUTE p(a)', 'EXECUTE p(a)'],
    ['mysql', 'SET autocommit = ON, sql_mode = ansi', 'SET autocommit = ON, sql_mode = ?'],
    ['mysql', 'SET @a = (SELECT b FROM t), @c = now()', 'SET @a = (SELECT b FROM t), @c = now()'],
    ['other', 'EXEC dbo.login secret, @p1', 'EXEC dbo.login ?, @p1'],
    ['other', 'EXEC @s = [dbo].[login] secret', 'EXEC @s = [dbo].[login] ?'],
  ] as const)('%s: %s', (dialect, sql, expected) => expect(text(sql, dialect)).toBe(expected));
});

describe('a database that is not known: nothing is guessed', () => {
  test.each([
    ['SELECT "a" FROM t', 'SELECT ? FROM t'],
    ["SELECT $$it's$$, 'b'", 'SELECT ?'],
    ["SELECT q'[it's]', b", 'SELECT ?'],
    ["SELECT '''it's''', b", 'SELECT ?'],
    ["SELECT a # it's\n, 'b'", 'SELECT a ?'],
    ["SELECT [it's], 'b'", 'SELECT ?'],
    ["SELECT [id] FROM [t] WHERE a = ['b']", 'SELECT [id] FROM [t] WHERE a = [?]'],
  ])('%j', (sql, expected) => expect(text(sql, 'other')).toBe(expected));
});

describe('operation and target', () => {
  test.each([
    ['SELECT a FROM t WHERE b = 1', 'SELECT', 't'],
    ['select count(*) from "Public"."Users" u', 'SELECT', 'Public.Users'],
    ['INSERT INTO s.t (a) VALUES ($1) ON CONFLICT DO UPDATE SET a = 1', 'INSERT', 's.t'],
    ['INSERT OR IGNORE INTO t VALUES (1)', 'INSERT', 't'],
    ['UPDATE ONLY t SET a = 1', 'UPDATE', 't'],
    ['DELETE FROM t', 'DELETE', 't'],
    ['REPLACE INTO t VALUES (1)', 'REPLACE', 't'],
    ['CREATE TABLE IF NOT EXISTS t (a int, b int)', 'CREATE TABLE', 't'],
    ['CREATE UNIQUE INDEX i ON t (a)', 'CREATE INDEX', undefined],
    ['TRUNCATE t', 'TRUNCATE', 't'],
    ['DROP TABLE a, b', 'DROP TABLE', undefined],
    ['COPY t (a) FROM STDIN', 'COPY', 't'],
    ['SELECT a FROM t JOIN u ON true', 'SELECT', undefined],
    ['SELECT a FROM t x, u', 'SELECT', undefined],
    ['SELECT a FROM (SELECT b FROM t) x', 'SELECT', 't'],
    ['SELECT a FROM t WHERE b IN (SELECT c FROM u)', 'SELECT', undefined],
    ['SELECT a FROM generate_series(1, 2)', 'SELECT', undefined],
    ['SELECT extract(year FROM b) FROM t WHERE a IS DISTINCT FROM c FOR UPDATE', 'SELECT', 't'],
    ['WITH x AS (SELECT 1 FROM t) SELECT * FROM x', 'SELECT', undefined],
    ['WITH x AS (SELECT 1) DELETE FROM t USING x', 'DELETE', undefined],
    ['INSERT INTO t SELECT * FROM u', 'INSERT', undefined],
    ['SELECT 1', 'SELECT', undefined],
    ['SELECT FROM WHERE a', 'SELECT', undefined],
    ['/* a */ (SELECT a FROM t)', 'SELECT', 't'],
    ['4711 is no statement', undefined, undefined],
    ['hunter2 FROM t', undefined, undefined],
    ['SELECT * FROM db..t', 'SELECT', 'db..t'],
  ])('%s', (sql, operation, collection) => {
    expect(read(sql)).toMatchObject({ operation, collection });
    expect(read(sql).summary).toBe([operation, collection].filter(Boolean).join(' '));
  });

  test('several statements have a summary, and no one operation', () => {
    expect(read('BEGIN; UPDATE t SET a = 1; COMMIT;')).toMatchObject({
      operation: undefined,
      collection: undefined,
      summary: 'BEGIN; UPDATE t; COMMIT',
    });
    expect(read('SELECT 1;')).toMatchObject({ operation: 'SELECT', summary: 'SELECT' });
  });

  test.each([
    'INSERT INTO s."a table" (b) VALUES (1)',
    'UPDATE a."b".c SET x = 1',
    'SELECT * FROM "users" JOIN orders ON a = b',
    'SELECT * FROM orders JOIN s."users" ON a = b',
  ])('a table that may be a value leaves the collection open: %s', (sql) => {
    expect(read(sql, 'other').collection).toBeUndefined();
  });

  test('of a text that was cut, only what can no longer change', () => {
    expect(read('SELECT a FROM t', 'postgresql', true)).toMatchObject({ operation: 'SELECT', collection: undefined });
    expect(read('INSERT INTO t VALUES (1), (2', 'postgresql', true)).toMatchObject({ collection: 't' });
  });
});

test.each(dialects)('no part of a value is left, whatever stands around it and wherever it is cut: %s', (dialect) => {
  const random = randomFrom(20_261_121);
  for (let round = 0; round < 6000; round++) checkSql(randomSql(random, dialect), dialect, random);
});
