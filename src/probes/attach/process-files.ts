import { type BigIntStats, realpathSync, statfsSync, statSync } from 'node:fs';
import { mappedLibraries } from '../../discovery/processes/mapped-libraries.ts';
import type { ProcessFacts } from '../../discovery/processes/process-facts.ts';
import type { Role } from '../plan.ts';
import { executableOf, type VmaFile } from './vma-files.ts';

/** A file whose code a process runs. */
export interface ProcessFile {
  readonly role: Role;
  /** For people: the path as the process sees it. */
  readonly path: string;
  /** A path below /proc that leads to the very file, also from another mount namespace and after it was deleted. */
  readonly openPath: string;
  /** As stat shows it. */
  readonly statKey: string;
  /** Size and both times of change. It tells a file from one that overwrote it in place. */
  readonly stamp: string;
  /** Role, device and inode as stat shows them, and stamp. It names what there is to find in the file. */
  readonly identity: string;
  /** Which of the process's mappings is this file's. */
  realFile(files: readonly VmaFile[]): VmaFile | undefined;
}

/** The identity of the program that a process runs, for the cost of one stat. Undefined if the process is gone. */
export function programIdentity(pid: number): string | undefined {
  return statOf('executable', `/proc/${pid}/exe`)?.identity;
}

/** The program that a process runs. Undefined if the process is gone. */
export function executableFile({ pid, exe }: ProcessFacts): ProcessFile | undefined {
  const openPath = `/proc/${pid}/exe`;
  const stat = exe && statOf('executable', openPath);
  if (!exe || !stat) return undefined;
  return {
    role: 'executable',
    path: exe.path,
    openPath,
    statKey: `${exe.dev}:${exe.ino}`,
    ...stat,
    realFile: (files) => executableOf(files, exe.ino),
  };
}

/** File systems whose stat shows the inode and the device that the kernel attaches probes to: ext4, XFS, tmpfs (linux/magic.h). */
const plainFileSystems: readonly number[] = [0xef53, 0x58465342, 0x01021994];

/**
 * The program at a path of uspan's own mount namespace, which need not run. Undefined if there is none, or if stat does not tell the file that
 * the kernel attaches probes to.
 */
export function programFileAt(given: string): ProcessFile | undefined {
  try {
    const path = realpathSync(given);
    const stat = statSync(path, { bigint: true });
    if (!stat.isFile() || !plainFileSystems.includes(statfsSync(path).type)) return undefined;
    const { dev, ino } = stat;
    const stamp = stampOf(stat);
    return {
      role: 'executable',
      path,
      openPath: path,
      statKey: `${dev}:${ino}`,
      stamp,
      identity: identityOf('executable', stat, stamp),
      realFile: () => ({ start: 0n, ino, dev: kernelDevice(dev) }),
    };
  } catch {
    return undefined;
  }
}

/** st_dev of stat(2), as makedev(3) puts it together, in the kernel's own encoding. */
function kernelDevice(dev: bigint): number {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return Number((major << 20n) | minor);
}

/** The libraries with a wanted path that can be opened now. */
export function libraryFiles(
  { pid, exe }: Pick<ProcessFacts, 'pid' | 'exe'>,
  wanted: (path: string) => boolean,
): ProcessFile[] {
  return mappedLibraries(pid, (path) => path !== exe?.path && wanted(path)).flatMap((library) => {
    const { path, start, end, ino, dev } = library;
    // map_files needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN. The path may lead to another file by now.
    const paths = [`/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`, `/proc/${pid}/root${path}`];
    for (const openPath of paths) {
      const stat = statOf('library', openPath, ino);
      if (!stat) continue;
      return [
        {
          role: 'library',
          path,
          openPath,
          statKey: `${dev}:${ino}`,
          ...stat,
          realFile: (files) => files.find((file) => file.start === start),
        },
      ];
    }
    return [];
  });
}

/** Undefined if there is no such file, or its inode number is not `ino`. */
function statOf(role: Role, path: string, ino?: bigint): Pick<ProcessFile, 'stamp' | 'identity'> | undefined {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stat || (ino !== undefined && stat.ino !== ino)) return undefined;
    const stamp = stampOf(stat);
    return { stamp, identity: identityOf(role, stat, stamp) };
  } catch {
    return undefined;
  }
}

function identityOf(role: Role, { dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>, stamp: string): string {
  return `${role} ${dev}:${ino} ${stamp}`;
}

export function stampOf({ size, mtimeNs, ctimeNs }: Pick<BigIntStats, 'size' | 'mtimeNs' | 'ctimeNs'>): string {
  return `${size}:${mtimeNs}:${ctimeNs}`;
}
