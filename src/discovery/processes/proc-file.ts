import { closeSync, openSync, readSync } from 'node:fs';

/**
 * At most the first `maxBytes` of a file below /proc, because the sizes of such files are not known beforehand. Undefined if it does not
 * exist, is unreadable, or its process is gone.
 */
export function readProcFile(path: string, maxBytes: number): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    let bytes = Buffer.allocUnsafe(Math.min(maxBytes, 4096));
    let length = 0;
    while (length < maxBytes) {
      if (length === bytes.length) {
        bytes = Buffer.concat([bytes, Buffer.allocUnsafe(Math.min(length, maxBytes - length))]);
      }
      const read = readSync(fd, bytes, length, bytes.length - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** The NUL-terminated strings of /proc/PID/cmdline or environ. Without `whole`, it leaves out a last one that is cut off. */
export function nulSeparated(bytes: Buffer, whole: boolean): string[] {
  const strings = bytes.toString('utf8').split('\0');
  if (strings.at(-1) === '' || !whole) strings.pop();
  return strings;
}
