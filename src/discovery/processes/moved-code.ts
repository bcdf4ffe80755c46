import { readProcFile } from './proc-file.ts';

const maxMapsBytes = 8 << 20;
/** As proc_pid_maps(5) writes it: `start-end perms offset dev inode path`. */
const executableMapping = /^[0-9a-f]+-[0-9a-f]+ ..x. [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ (\d+)/;

/**
 * Whether a process runs a copy of its program's code, in memory that is no file's: what `node --use-largepages` does, to have the code in
 * huge pages. Probes are on a file, so that they are not met there. The copy is mapped over the original, between what is left of it.
 * @param ino the program's inode number, as the process's mappings show it
 */
export function hasMovedCode(pid: number, ino: bigint): boolean {
  const inodes = (readProcFile(`/proc/${pid}/maps`, maxMapsBytes)?.toString('utf8').split('\n') ?? []).flatMap(
    (text) => executableMapping.exec(text)?.[1] ?? [],
  );
  const program = String(ino);
  return inodes.slice(inodes.indexOf(program), inodes.lastIndexOf(program)).includes('0');
}
