import { UspanError } from '../../contract/errors.ts';
import { type BpfObject, loadNative, type OpenOptions } from '../../native.ts';
import * as layout from '../layout.gen.ts';
import { readBpfObject } from './bpf-files.ts';

/**
 * Opens and loads an object of build/bpf, if it was built from the same headers as the agent's offsets.
 * @throws UspanError-coded E_BPF_OPEN, E_BPF_LOAD
 */
export function openBpfObject(name: string, options: Omit<OpenOptions, 'object' | 'name'>): BpfObject {
  const object = readBpfObject(name);
  const difference = layoutDifference(object, name);
  if (difference !== undefined) {
    throw new UspanError('E_BPF_OPEN', `a BPF object and the agent were built from different sources: ${difference}`, {
      on: name,
      fix: 'Build both anew: make build',
    });
  }
  return loadNative().openObject({ object, name, ...options });
}

/** The first struct of an object that differs from src/probes/layout.gen.ts. Undefined if there is none. */
export function layoutDifference(object: Uint8Array, name: string): string | undefined {
  const known = layout as unknown as Readonly<Record<string, Readonly<Record<string, number>> | undefined>>;
  for (const [struct, { size, members }] of Object.entries(loadNative().structLayouts(object, name, 'uspan_'))) {
    const own = known[camelCase(struct.replace(/^uspan/, ''))];
    // Structs that the agent never sees in a record or map entry have no layout there.
    if (own === undefined) continue;
    if (own.size !== size) return `struct ${struct} has ${size} bytes, not ${own.size}`;
    const moved = Object.entries(members).find(([member, offset]) => own[camelCase(member)] !== offset);
    if (moved) return `${struct}.${moved[0]} is at ${moved[1]}, not ${own[camelCase(moved[0])]}`;
  }
  return undefined;
}

/** As scripts/gen-layout.ts spells names. */
function camelCase(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
