import { afterAll, expect, test } from 'vitest';
import { randomFrom } from './random.ts';
import { randomSqlite, SqliteLiterals } from './sqlite-literals.ts';

const literals = new SqliteLiterals();
afterAll(() => literals.close());

test('no string that SQLite itself finds in a statement is left in what is exported', () => {
  const random = randomFrom(20_261_130);
  let taken = 0;
  for (let count = 0; count < 10_000; count++) if (literals.check(randomSqlite(random, count))) taken++;
  // Fewer would mean that the statements have become nonsense.
  expect(taken).toBeGreaterThan(2000);
});

test.each(['SELECT "secret"', 'CREATE TABLE t (a DEFAULT "secret")', 'CREATE INDEX i ON users ("secret")'])(
  'the oracle finds strings: %s',
  (sql) => {
    expect(literals.strings(sql)?.join()).toContain('secret');
  },
);
