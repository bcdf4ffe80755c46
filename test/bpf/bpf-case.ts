import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BpfObject } from '../../native/native.d.ts';
import { loadNative } from '../../src/native.ts';

const root = join(import.meta.dirname, '..', '..');

/** Compiles test/bpf/NAME.bpf.c like the real objects, and loads it. */
export function openBpfTest(name: string): BpfObject {
  const directory = mkdtempSync(join(tmpdir(), 'uspan-bpf-'));
  try {
    const object = join(directory, `${name}.bpf.o`);
    const source = join(root, 'test', 'bpf', `${name}.bpf.c`);
    execFileSync(join(root, 'scripts', 'build-bpf.sh'), [source, object], { stdio: ['ignore', 'ignore', 'inherit'] });
    return loadNative().openObject({ object: readFileSync(object), name, uprobeMulti: false });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Puts `input` into the object's only case, runs a program, and returns the case. */
export function runCase(object: BpfObject, program: string, input: Uint8Array): DataView {
  const cases = object.map('cases');
  const key = new Uint8Array(4);
  cases.update(key, input);
  const returned = object.testRun(program, new Uint8Array(8));
  if (returned !== 0) throw new Error(`${program} returned ${returned}`);
  const output = cases.lookup(key)!;
  return new DataView(output.buffer, output.byteOffset, output.byteLength);
}
