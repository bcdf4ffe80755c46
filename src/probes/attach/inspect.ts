import type { Binary } from '../../contract/binary.ts';
import type { ProbeDefinition } from '../../contract/decision.ts';
import type { UspanError } from '../../contract/errors.ts';
import { openBinary } from '../../discovery/binary.ts';
import { mapFile } from '../../discovery/map-file.ts';
import { hasUsdtNotes } from '../../discovery/usdt/notes.ts';
import type { MappedFile } from '../../native.ts';
import { type PlanOptions, plan, type Role, wantsNotesOnly } from '../plan.ts';
import { kernelLacks } from './features.ts';
import type { Inspection } from './inspection.ts';
import type { ProcessFile } from './process-files.ts';
import { whileUnchanged } from './while-unchanged.ts';

/** As any inspection, with the binary's answers to what was asked while it was open. */
export interface FileInspection extends Inspection {
  readonly binary: Binary | undefined;
}

export interface InspectOptions extends PlanOptions {
  readonly definitions: readonly ProbeDefinition[];
}

/**
 * Reads a file of a process, plans for it, and hands the plan on while the file is still open as descriptor `fd`. Undefined if the file
 * cannot be opened, for example because its process has gone. Never throws for the content of a file.
 */
export function inspectFile<T>(
  { path, openPath, role }: Pick<ProcessFile, 'path' | 'openPath' | 'role'>,
  options: InspectOptions,
  use: (inspection: FileInspection, fd: number) => T,
): T | undefined {
  let file: MappedFile;
  try {
    file = mapFile(openPath);
  } catch {
    return undefined;
  }
  try {
    return use(inspect(path, role, file, options), file.fd);
  } finally {
    file.close();
  }
}

function inspect(path: string, role: Role, file: MappedFile, options: InspectOptions): FileInspection {
  const { bytes, dev, ino, mtimeNs } = file;
  try {
    return whileUnchanged(file, path, () => {
      if (role === 'library' && wantsNotesOnly(options.definitions, path) && !hasUsdtNotes(bytes, path)) {
        return { path, role, binary: undefined, error: undefined, decisions: [], loadsLibraries: false };
      }
      const binary = openBinary({ bytes, path, dev, ino, mtimeNs });
      const decisions = plan(binary, role, options.definitions, { ...options, kernelLacks: kernelLacks() });
      // The indexes of a large program take tens of megabytes, and there are no more questions.
      binary.release();
      return { path, role, binary, error: undefined, decisions, loadsLibraries: binary.loadsLibraries };
    });
  } catch (error) {
    return {
      path,
      role,
      binary: undefined,
      error: error as UspanError,
      decisions: [],
      loadsLibraries: false,
    };
  }
}
