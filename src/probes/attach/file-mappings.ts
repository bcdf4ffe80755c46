import { readProcFile } from '../../discovery/processes/proc-file.ts';

/** A mapping of a file, or of a part of it, in a process. */
export interface FileMapping {
  readonly executable: boolean;
  readonly privateWritable: boolean;
  has(fileOffset: number): boolean;
  /** Where the process has the byte at this offset. */
  addressOf(fileOffset: number): number;
}

const maxMapsBytes = 8 << 20;
/** As proc_pid_maps(5) writes it: `start-end perms offset dev inode path`. */
const line = /^([0-9a-f]+)-([0-9a-f]+) .(.)(.)(.) ([0-9a-f]+) [0-9a-f]+:[0-9a-f]+ \d+ +(\/.*)$/;
const deletedMark = / \(deleted\)$/;

/** The mappings of a file that a process has mapped from `path`, by rising address. None if the process is gone. */
export function fileMappings(pid: number, path: string): FileMapping[] {
  const text = readProcFile(`/proc/${pid}/maps`, maxMapsBytes)?.toString('utf8') ?? '';
  return text.split('\n').flatMap((each) => {
    const match = line.exec(each);
    if (!match || match[7]!.replace(deletedMark, '') !== path) return [];
    const [start, end, offset] = [match[1]!, match[2]!, match[6]!].map((digits) => Number.parseInt(digits, 16));
    return [
      {
        executable: match[4] === 'x',
        privateWritable: match[3] === 'w' && match[5] === 'p',
        has: (fileOffset: number) => fileOffset >= offset! && fileOffset < offset! + (end! - start!),
        addressOf: (fileOffset: number) => start! + fileOffset - offset!,
      },
    ];
  });
}
