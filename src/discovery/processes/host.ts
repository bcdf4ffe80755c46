import { arch, hostname } from 'node:os';
import type { Attributes } from '../../contract/span.ts';
import { readProcFile } from './proc-file.ts';

/** `host.arch` by the semantic conventions, where Node.js says otherwise. */
const archNames: Readonly<Record<string, string>> = { x64: 'amd64', ia32: 'x86', arm: 'arm32' };

/** `host.*` and `os.type` of the machine that uspan runs on. */
export function hostAttributes(): Attributes {
  const machineId = readProcFile('/etc/machine-id', 64)?.toString('latin1').trim();
  return {
    'host.name': hostname(),
    ...(machineId && { 'host.id': machineId }),
    'host.arch': archNames[arch()] ?? arch(),
    'os.type': 'linux',
  };
}
