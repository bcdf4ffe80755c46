import { expect, test } from 'vitest';
import type { Slab } from '../../src/contract/span.ts';
import { newSlab } from '../../src/probes/slab.ts';
import { SqlCache } from '../../src/sql/cache.ts';

/** A slab with a text at `from`, and other bytes around it. */
function slabWith(text: string, from = 16): { slab: Slab; from: number; length: number } {
  const slab = newSlab(256);
  slab.bytes.fill(0x78);
  slab.bytes.set(Buffer.from(text), from);
  return { slab, from, length: Buffer.byteLength(text) };
}

function read(cache: SqlCache, text: string, { from = 16, cut = false } = {}) {
  const { slab, length } = slabWith(text, from);
  return cache.read(slab, from, length, 'postgresql', cut);
}

test('the same statement is read once, wherever it lies', () => {
  const cache = new SqlCache();
  const first = read(cache, 'SELECT a FROM t WHERE b = 1');
  expect(first).toMatchObject({ text: 'SELECT a FROM t WHERE b = ?', collection: 't' });
  expect(read(cache, 'SELECT a FROM t WHERE b = 1', { from: 40 })).toBe(first);
  expect(read(cache, 'SELECT a FROM t WHERE b = 1', { from: 17 })).toEqual(first);
});

test('what differs in a byte, the length, the dialect or by being cut is another one', () => {
  const cache = new SqlCache();
  const sql = 'SELECT "a" FROM t';
  const first = read(cache, sql);
  expect(read(cache, 'SELECT "b" FROM t').text).toBe('SELECT "b" FROM t');
  expect(read(cache, `${sql}u`).collection).toBe('tu');
  expect(read(cache, sql, { cut: true }).collection).toBeUndefined();
  const { slab, from, length } = slabWith(sql);
  expect(cache.read(slab, from, length, 'mysql', false).text).toBe('SELECT ? FROM t');
  expect(read(cache, sql)).toEqual(first);
});

test('it holds two generations: what is used stays, what is not goes', () => {
  const cache = new SqlCache(4);
  const used = read(cache, 'SELECT a FROM used');
  const unused = read(cache, 'SELECT a FROM unused');
  for (let i = 0; i < 40; i++) {
    read(cache, `SELECT a FROM t${i}`);
    expect(read(cache, 'SELECT a FROM used')).toBe(used);
  }
  expect(read(cache, 'SELECT a FROM unused')).not.toBe(unused);
});

test('it is bounded by the bytes of its statements, too', () => {
  const cache = new SqlCache(1000, 64);
  const first = read(cache, 'SELECT a FROM first_table');
  for (let i = 0; i < 8; i++) read(cache, `SELECT a FROM other_table_${i}`);
  expect(read(cache, 'SELECT a FROM first_table')).not.toBe(first);
});

test('an empty statement', () => {
  expect(read(new SqlCache(), '')).toEqual({ text: '', operation: undefined, collection: undefined, summary: '' });
});
