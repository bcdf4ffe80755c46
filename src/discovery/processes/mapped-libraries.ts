import { readProcFile } from './proc-file.ts';

/** A file that a process has mapped for execution, other than its program. */
export interface MappedLibrary {
  /** As the process itself sees it, in its own mount namespace. */
  readonly path: string;
  /** Removed or replaced since it was mapped. */
  readonly deleted: boolean;
  /** Where it is mapped. This names the mapping in /proc/PID/map_files, which leads to the file whatever became of its path. */
  readonly start: bigint;
  readonly end: bigint;
  readonly ino: bigint;
  /** `major:minor` in hexadecimal, of the mount. On overlayfs this is not the device that the kernel attaches probes to. */
  readonly dev: string;
}

/** A process may have 65,530 mappings (vm.max_map_count). Those of libraries have some hundred bytes each. */
const maxMapsBytes = 8 << 20;
/** As proc_pid_maps(5) writes it: `start-end perms offset dev inode path`. */
const line = /^([0-9a-f]+)-([0-9a-f]+) ..x. [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+) +(\/.*)$/;
const deletedMark = ' (deleted)';

/** The libraries of a process whose path is wanted, each once. None if the process is gone. A path's newlines come as `\012`. */
export function mappedLibraries(pid: number, wanted: (path: string) => boolean): MappedLibrary[] {
  const libraries = new Map<string, MappedLibrary>();
  for (const text of readProcFile(`/proc/${pid}/maps`, maxMapsBytes)?.toString('utf8').split('\n') ?? []) {
    const match = line.exec(text);
    if (!match) continue;
    const [, start, end, dev, ino, mapped] = match as unknown as [string, string, string, string, string, string];
    const deleted = mapped.endsWith(deletedMark);
    const path = deleted ? mapped.slice(0, -deletedMark.length) : mapped;
    const key = `${dev} ${ino}`;
    if (libraries.has(key) || !wanted(path)) continue;
    libraries.set(key, { path, deleted, start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), ino: BigInt(ino), dev });
  }
  return [...libraries.values()];
}
