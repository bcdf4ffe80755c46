import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/**
 * The bytes of a file that a user names. Opening a FIFO waits for somebody who writes, and a device may never end, so neither is read.
 * @throws Error in plain words, or the system's own
 */
export function readSmallFile(path: string, maxBytes: number): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error('it is no regular file');
    // Files of procfs say 0 bytes, so that the size alone does not tell.
    const bytes = Buffer.allocUnsafe(Math.min(Math.max(stat.size, 65_536), maxBytes) + 1);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(fd, bytes, length, bytes.length - length, null);
      if (read === 0) break;
      length += read;
    }
    if (length > maxBytes || stat.size > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
