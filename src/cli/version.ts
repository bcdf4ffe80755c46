import { release } from 'node:os';
import { libbpfVersion } from '../probes/attach/features.ts';
import { agentVersion } from './agent-version.ts';
import { exitCodes } from './exit-codes.ts';
import { stdout } from './stdout.ts';

/** What a bug report needs first. */
export function version(): number {
  stdout.printLines([
    `uspan ${agentVersion()}`,
    `Node.js ${process.version}`,
    `libbpf ${libbpfVersion()}`,
    `Linux ${release()} ${process.arch}`,
  ]);
  return exitCodes.ok;
}
