import { statSync } from 'node:fs';
import { readProcFile } from './proc-file.ts';

/** A file that a process executes code from. */
export interface MappedFile {
  /** As the process sees it, in its own mount namespace. */
  readonly path: string;
  /** Where it can be opened from here, also when it has been removed or replaced since. */
  readonly openPath: string;
  /** By stat(2): on overlayfs not those of the inode that probes attach to. */
  readonly dev: bigint;
  readonly ino: bigint;
  /** Start of its first executable mapping. */
  readonly start: bigint;
}

const maxMapsBytes = 16 * 1024 * 1024;
const maxFiles = 4096;

/**
 * The files of a process's executable mappings, a line each however often they are mapped, by rising address; empty when the process is
 * gone or may not be looked at. proc(5): `/proc/PID/maps`, `/proc/PID/map_files`.
 */
export function mappedFiles(pid: number): MappedFile[] {
  const maps = readProcFile(`/proc/${pid}/maps`, maxMapsBytes)?.toString('utf8') ?? '';
  const files = new Map<string, MappedFile>();
  for (const line of maps.split('\n')) {
    const match = /^([0-9a-f]+-[0-9a-f]+) ..x. [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+) +(\/.*)$/.exec(line);
    if (!match) continue;
    const [, range, device, inode, shown] = match;
    const key = `${device} ${inode}`;
    if (files.has(key)) continue;
    const path = shown!.replace(/ \(deleted\)$/, '').replaceAll('\\012', '\n');
    const opened = open(pid, range!, path);
    if (opened) files.set(key, { ...opened, path, start: BigInt(`0x${range!.split('-')[0]}`) });
    if (files.size === maxFiles) break;
  }
  return [...files.values()];
}

/** map_files needs CAP_CHECKPOINT_RESTORE; the path in the process's mount namespace is the next best. */
function open(pid: number, range: string, path: string): Pick<MappedFile, 'openPath' | 'dev' | 'ino'> | undefined {
  for (const openPath of [`/proc/${pid}/map_files/${range}`, `/proc/${pid}/root${path}`]) {
    try {
      const { dev, ino } = statSync(openPath, { bigint: true });
      return { openPath, dev, ino };
    } catch {}
  }
  return undefined;
}
