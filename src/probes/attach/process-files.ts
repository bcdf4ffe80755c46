import { type BigIntStats, statSync } from 'node:fs';
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
    return { stamp, identity: `${role} ${stat.dev}:${stat.ino} ${stamp}` };
  } catch {
    return undefined;
  }
}

export function stampOf({ size, mtimeNs, ctimeNs }: Pick<BigIntStats, 'size' | 'mtimeNs' | 'ctimeNs'>): string {
  return `${size}:${mtimeNs}:${ctimeNs}`;
}
