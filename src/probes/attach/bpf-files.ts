import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UspanError } from '../../contract/errors.ts';

/** Bytes of a BPF object in build/bpf. `name` is without `.bpf.o`. */
export function readBpfObject(name: string): Uint8Array {
  const path = fileURLToPath(new URL(`../../../build/bpf/${name}.bpf.o`, import.meta.url));
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new UspanError('E_BPF_OPEN', 'a BPF object is missing', { on: path, fix: 'Build it: make build', cause });
  }
}
