import { expect, test } from 'vitest';
import { UspanError } from '../../src/contract/errors.ts';
import { FileCache } from '../../src/probes/attach/file-cache.ts';
import type { Inspection } from '../../src/probes/attach/inspection.ts';
import { goHttpServer } from '../../src/probes/definitions/go/http-server.ts';

const binary = { key: 'k', path: '/bin/shop', runtime: 'go', go: undefined } as const;
const nothing: Inspection = {
  path: '/bin/true',
  role: 'executable',
  binary: undefined,
  error: undefined,
  decisions: [],
  loadsLibraries: false,
};
const decided: Inspection = {
  ...nothing,
  binary,
  decisions: [{ do: 'skip', definition: goHttpServer, binary, reason: 'library_absent', detail: 'it is not there' }],
};

function failed(code: 'E_FILE_CHANGED' | 'E_INSPECT'): Inspection {
  return { ...nothing, error: new UspanError(code, 'no') };
}

test('what was found is known by identity', () => {
  const cache = new FileCache();
  expect(cache.get('a')).toBeUndefined();
  expect(cache.put('a', nothing)).toEqual({ nothing: true, loadsLibraries: false });
  expect(cache.put('b', { ...nothing, loadsLibraries: true })).toEqual({ nothing: true, loadsLibraries: true });
  expect(cache.put('c', decided)).toEqual({ nothing: false, inspection: decided });
  expect(['a', 'b', 'c'].map((identity) => cache.get(identity)?.nothing)).toEqual([true, true, false]);
});

test('nothing is kept of a file with nothing in it', () => {
  const cache = new FileCache();
  cache.put('a', nothing);
  cache.put('b', { ...nothing, path: '/bin/false' });
  expect(cache.get('a')).toBe(cache.get('b'));
});

test('a file that broke the reader is not read again, one that changed meanwhile is', () => {
  const cache = new FileCache();
  expect(cache.put('a', failed('E_INSPECT')).nothing).toBe(false);
  expect(cache.put('b', failed('E_FILE_CHANGED')).nothing).toBe(false);
  expect(cache.get('a')).toBeDefined();
  expect(cache.get('b')).toBeUndefined();
});

test('the least recently used go first, of either kind for itself', () => {
  const cache = new FileCache({ maxNothing: 2, maxDecided: 1 });
  cache.put('a', nothing);
  cache.put('b', nothing);
  cache.put('x', decided);
  cache.get('a');
  cache.put('c', nothing);
  expect(['a', 'b', 'c', 'x'].map((identity) => cache.get(identity) !== undefined)).toEqual([true, false, true, true]);
  cache.put('y', decided);
  expect(['a', 'c', 'x', 'y'].map((identity) => cache.get(identity) !== undefined)).toEqual([true, true, false, true]);
});
