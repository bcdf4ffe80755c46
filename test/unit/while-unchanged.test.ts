import { appendFileSync, copyFileSync, mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { UspanError } from '../../src/contract/errors.ts';
import { mapFile } from '../../src/discovery/map-file.ts';
import { usdtOfFile } from '../../src/probes/attach/usdt-listing.ts';
import { whileUnchanged } from '../../src/probes/attach/while-unchanged.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'uspan-unchanged-'));
  path = join(directory, 'program');
  copyFileSync(process.execPath, path);
  utimesSync(path, 1, 1);
});
afterEach(() => rmSync(directory, { recursive: true }));

function codeOf(read: () => unknown): unknown {
  const file = mapFile(path);
  try {
    return whileUnchanged(file, path, read);
  } catch (error) {
    return error instanceof UspanError ? error.code : error;
  } finally {
    file.close();
  }
}

test('what was read of a file that stays is taken, and its errors are coded', () => {
  const refuse = (error: Error) => () => {
    throw error;
  };
  expect(codeOf(() => 'read')).toBe('read');
  expect(codeOf(refuse(new UspanError('E_GO_TYPES', 'as told')))).toBe('E_GO_TYPES');
  expect(codeOf(refuse(new RangeError('out of bounds')))).toBe('E_ELF_FORMAT');
});

test.each([
  ['grew', () => appendFileSync(path, 'more')],
  ['shrank', () => truncateSync(path, 100)],
  ['was rewritten', () => writeFileSync(path, 'other')],
])('of a file that %s meanwhile, nothing is taken: not a result, and no other error', (_, change) => {
  expect(
    codeOf(() => {
      change();
      return 'read';
    }),
  ).toBe('E_FILE_CHANGED');
  utimesSync(path, 1, 1);
  expect(
    codeOf(() => {
      appendFileSync(path, 'more');
      throw new RangeError('out of bounds');
    }),
  ).toBe('E_FILE_CHANGED');
});

test('a file that is no program, or that ends in the middle, has a code too', () => {
  truncateSync(path, 5000);
  expect(() => usdtOfFile(path)).toThrow(expect.objectContaining({ code: 'E_ELF_FORMAT' }));
  truncateSync(path, 0);
  expect(() => usdtOfFile(path)).toThrow(expect.objectContaining({ code: 'E_ELF_FORMAT' }));
});
