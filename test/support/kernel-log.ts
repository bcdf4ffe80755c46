import { closeSync, constants, openSync, readSync } from 'node:fs';

/** The records of the kernel's log that name this inode, as the kernel's complaints about uprobes do. */
export function kernelLogOf(ino: bigint): string[] {
  // A read gives one record, and fails at the end of the log.
  const log = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  const records: string[] = [];
  const record = Buffer.alloc(8192);
  try {
    for (;;) {
      try {
        records.push(record.toString('latin1', 0, readSync(log, record)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') break;
        // The kernel has overwritten the next record.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
      }
    }
  } finally {
    closeSync(log);
  }
  return records.filter((text) => text.includes(`inode: 0x${ino.toString(16)} `));
}
