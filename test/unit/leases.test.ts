import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Leases } from '../../src/probes/attach/leases.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'uspan-leases-'));
  path = join(directory, 'file');
  await writeFile(path, 'old');
});
afterEach(() => rm(directory, { recursive: true }));

test('who wants to write waits until the lease is given back', async () => {
  const leases = new Leases();
  const fd = openSync(path, 'r');
  const wanted = Promise.withResolvers<string>();
  expect(leases.take(fd, () => wanted.resolve('wanted'))).toBe(true);
  // Readers do not wait.
  expect(await readFile(path, 'utf8')).toBe('old');
  const written = writeFile(path, 'new').then(() => 'written');
  expect(await Promise.race([wanted.promise, written])).toBe('wanted');
  leases.giveBack(fd);
  expect(await written).toBe('written');
  expect(await readFile(path, 'utf8')).toBe('new');
});

test('a file that somebody writes to has none, and the caller keeps the descriptor', () => {
  const leases = new Leases();
  const [writer, fd] = [openSync(path, 'r+'), openSync(path, 'r')];
  expect(leases.take(fd, () => {})).toBe(false);
  closeSync(writer);
  expect(leases.take(fd, () => {})).toBe(true);
  leases.giveBack(fd);
});
