import type { Site } from '../../contract/decision.ts';
import { fileMappings } from './file-mappings.ts';

/**
 * Where a process has loaded a file that it has mapped from `path`: what to add to link-time addresses. `unsettled`: the kernel would count
 * a semaphore of `sites` elsewhere, because a second mapping of its page is still writable, or because the loader has not mapped all of the
 * file yet. `absent`: the process does not run this file, or is gone.
 */
export function settledLoadAddress(pid: number, path: string, sites: readonly Site[]): number | 'unsettled' | 'absent' {
  const mappings = fileMappings(pid, path);
  const [first] = sites;
  const code = first && mappings.find((each) => each.executable && each.has(first.fileOffset));
  if (!code) return 'absent';
  const loadedAt = code.addressOf(first.fileOffset) - first.address;
  for (const { refCtrOffset, refCtrAddress } of sites) {
    if (refCtrOffset === undefined || refCtrAddress === undefined) continue;
    const [counted, ...others] = mappings.filter((each) => each.privateWritable && each.has(refCtrOffset));
    if (others.length > 0 || counted?.addressOf(refCtrOffset) !== loadedAt + refCtrAddress) return 'unsettled';
  }
  return loadedAt;
}
