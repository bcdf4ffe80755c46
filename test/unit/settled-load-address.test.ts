/** Where a process has a file whose semaphores the kernel would miscount, from a real process. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Site } from '../../src/contract/decision.ts';
import { openElfImage } from '../../src/discovery/elf/image.ts';
import { readUsdtNotes } from '../../src/discovery/usdt/notes.ts';
import { settledLoadAddress } from '../../src/probes/attach/settled-load-address.ts';
import { type Commanded, startCommanded } from '../support/commanded.ts';

let directory: string;
let path: string;
let sites: Site[];
let program: Commanded;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'uspan-settled-'));
  path = join(directory, 'counted');
  const cwd = resolve(import.meta.dirname, '../fixtures/usdt');
  execFileSync('gcc', ['-O', '-rdynamic', '-fuse-ld=lld', '-o', path, 'counted.c', 'counted-work.c', '-ldl'], { cwd });
  const { notes } = readUsdtNotes(openElfImage(new Uint8Array(readFileSync(path)), path));
  sites = notes.map(({ name, address, fileOffset, semaphore }) => ({
    ...{ moment: 0, momentName: name, function: name, class: 'nop', instruction: 'nop', why: '' },
    ...{ address, fileOffset, refCtrOffset: semaphore!.fileOffset, refCtrAddress: semaphore!.address },
  }));
  program = await startCommanded(path);
});
afterAll(async () => {
  await program.stop();
  rmSync(directory, { recursive: true });
});

test('a process that has started: what maps says of the first segment', () => {
  const first = readFileSync(`/proc/${program.pid}/maps`, 'utf8').split('\n')[0]!;
  expect(settledLoadAddress(program.pid, path, sites)).toBe(Number.parseInt(first, 16));
});

test('the right mapping is not there alone: unsettled', () => {
  // As if the semaphore were in another segment of the same page.
  const elsewhere = sites.map((site) => ({ ...site, refCtrAddress: site.refCtrAddress! - 4096 }));
  expect(settledLoadAddress(program.pid, path, elsewhere)).toBe('unsettled');
});

test('another program, and a process that is gone: absent', async () => {
  expect(settledLoadAddress(process.pid, path, sites)).toBe('absent');
  expect(settledLoadAddress(2 ** 22, path, sites)).toBe('absent');
});
