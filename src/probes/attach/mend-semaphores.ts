import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { Site } from '../../contract/decision.ts';
import { fileMappings } from './file-mappings.ts';

/** A file that a process has loaded. */
export interface LoadedFile {
  readonly pid: number;
  /** As the process sees it. */
  readonly path: string;
  /** Leads to the file. */
  readonly openPath: string;
  /** What to add to link-time addresses. */
  readonly loadedAt: number;
}

/**
 * Mends semaphores of a process where the kernel has miscounted. This happens if a process that has links starts its own program anew: the
 * links outlast the exec. A semaphore gets the value that the kernel will count down from, which is the number of breakpoints of its sites.
 * The kernel sets one in each mapping that has the site's page and is not writable, also in those that are not code. Never throws.
 */
export function mendSemaphores({ pid, path, openPath, loadedAt }: LoadedFile, sites: readonly Site[]): void {
  const opened: number[] = [];
  try {
    const file = openSync(openPath, 'r');
    opened.push(file);
    const memory = openSync(`/proc/${pid}/mem`, 'r+');
    opened.push(memory);
    const mappings = fileMappings(pid, path);
    const breakpoints = (fileOffset: number) => {
      const original = byteAt(file, fileOffset);
      const its = mappings.filter((mapping) => mapping.has(fileOffset));
      return its.filter((mapping) => byteAt(memory, mapping.addressOf(fileOffset)) !== original).length;
    };
    for (const [semaphore, its] of Map.groupBy(sites, ({ refCtrAddress }) => refCtrAddress)) {
      if (semaphore === undefined) continue;
      const offsets = new Set(its.map(({ fileOffset }) => fileOffset));
      const due = [...offsets].reduce((sum, fileOffset) => sum + breakpoints(fileOffset), 0);
      const value = new Uint16Array(1);
      if (readSync(memory, value, 0, 2, loadedAt + semaphore) !== 2 || value[0]! >= due) continue;
      value[0] = due;
      writeSync(memory, value, 0, 2, loadedAt + semaphore);
    }
  } catch {
    // It has ended.
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function byteAt(fd: number, position: number): number | undefined {
  const byte = new Uint8Array(1);
  return readSync(fd, byte, 0, 1, position) === 1 ? byte[0] : undefined;
}
