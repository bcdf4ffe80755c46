import type { Machine } from '../../contract/binary.ts';
import { arm64 } from './arm64.ts';
import type { Isa } from './isa.ts';
import { x64 } from './x64/x64.ts';

const all: Readonly<Record<Machine, Isa>> = { x64, arm64 };

/** What knows the instructions of a machine. */
export function isaOf(machine: Machine): Isa {
  return all[machine];
}
