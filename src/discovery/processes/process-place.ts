import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { dirname } from 'node:path/posix';

/** Where a process is among its files. Paths are the process's own, in its own mount namespace. */
export interface Place {
  /** Its working directory. Undefined if that cannot be read. */
  directory(): string | undefined;
  /** The name in the package.json of a directory, or of the first one above that has a name. */
  packageName(directory: string): string | undefined;
}

/** Larger than any that we have met. */
const maxPackageBytes = 256 * 1024;
/** npm's limit (https://docs.npmjs.com/cli/configuring-npm/package-json#name). */
const maxNameChars = 214;
const maxLevels = 32;

/** Reads /proc when it is asked. Never throws. */
export function placeOf(pid: number): Place {
  return {
    directory: () => {
      try {
        const path = readlinkSync(`/proc/${pid}/cwd`);
        return path.startsWith('/') && !path.endsWith(' (deleted)') ? path : undefined;
      } catch {
        return undefined;
      }
    },
    packageName: (directory) => {
      let at = directory;
      for (let level = 0; level < maxLevels; level++) {
        const name = nameIn(`/proc/${pid}/root${at === '/' ? '' : at}/package.json`);
        if (name !== undefined || at === '/') return name;
        at = dirname(at);
      }
      return undefined;
    },
  };
}

function nameIn(path: string): string | undefined {
  const text = readSmallFile(path);
  try {
    const { name } = JSON.parse(text ?? '') ?? {};
    const allowed = typeof name === 'string' && name !== '' && name.length <= maxNameChars && !/[\p{C}\s]/u.test(name);
    return allowed ? name : undefined;
  } catch {
    return undefined;
  }
}

/** The process may have put anything there: a pipe, a device, a link. Only a regular file of a moderate size is read. */
function readSmallFile(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > maxPackageBytes) return undefined;
    const bytes = Buffer.alloc(stat.size);
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}
