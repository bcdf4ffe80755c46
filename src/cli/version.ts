import { release } from 'node:os';
import { libbpfVersion } from '../probes/attach/features.ts';
import { agentVersion } from './agent-version.ts';
import { exitCodes } from './exit-codes.ts';

/** What a bug report needs first. */
export function version(): number {
  process.stdout.write(
    `uspan ${agentVersion()}\nNode.js ${process.version}\nlibbpf ${libbpfVersion()}\nLinux ${release()} ${process.arch}\n`,
  );
  return exitCodes.ok;
}
