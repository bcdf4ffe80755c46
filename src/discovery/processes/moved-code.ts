import { readProcFile } from './proc-file.ts';

const maxMapsBytes = 8 << 20;
/** As proc_pid_maps(5) writes it: `start-end perms offset dev inode path`. */
const executableMapping = /^([0-9a-f]+)-[0-9a-f]+ ..x. ([0-9a-f]+) [0-9a-f]+:[0-9a-f]+ (\d+)/gm;

/**
 * Whether a process runs a copy of its program's code, in memory that belongs to no file. `node --use-largepages` does that, to have the
 * code in huge pages. Probes are on a file, so a copy does not reach them. The copy is mapped over the original, between what is left of
 * it.
 *
 * V8 maps a part of the program (its builtins) a second time, amid the code that it compiles. That is at another address, so it does not
 * count.
 * @param ino the program's inode number, as the process's mappings show it
 */
export function hasMovedCode(pid: number, ino: bigint): boolean {
  return isMoved(readProcFile(`/proc/${pid}/maps`, maxMapsBytes)?.toString('utf8') ?? '', ino);
}

/** The same from the text of /proc/PID/maps. */
export function isMoved(maps: string, ino: bigint): boolean {
  const mappings = Array.from(maps.matchAll(executableMapping), ([, start, offset, inode]) => ({
    start: Number.parseInt(start!, 16),
    /** Where the beginning of the file would be. */
    base: Number.parseInt(start!, 16) - Number.parseInt(offset!, 16),
    inode,
  }));
  const program = mappings.filter(({ inode }) => inode === String(ino));
  const first = program[0];
  const last = program.findLast(({ base }) => base === first?.base);
  return (
    first !== undefined &&
    last !== undefined &&
    mappings.some(({ inode, start }) => inode === '0' && start > first.start && start < last.start)
  );
}
