import type { UsdtNote } from '../../contract/binary.ts';
import { describeError, UspanError } from '../../contract/errors.ts';
import { openBinary } from '../../discovery/binary.ts';
import { mapFile } from '../../discovery/map-file.ts';
import { readProcess } from '../../discovery/processes/read-process.ts';
import { type NoteInstruction, noteInstruction } from '../sites/notes.ts';
import { executableFile, libraryFiles } from './process-files.ts';
import { whileUnchanged } from './while-unchanged.ts';

/** The USDT sites of one file. */
export interface UsdtListing {
  readonly path: string;
  readonly sites: readonly { readonly note: UsdtNote; readonly at: NoteInstruction }[];
  /** Notes left out. */
  readonly malformed: number;
  /** Why a library could not be read. */
  readonly error: string | undefined;
}

/** @throws UspanError-coded E_FILE_READ, E_FILE_CHANGED, E_ELF_… */
export function usdtOfFile(path: string): UsdtListing {
  return read(path, path);
}

/** Of its program and every library it has mapped now. @throws UspanError-coded E_PROCESS_GONE */
export function usdtOfProcess(pid: number): UsdtListing[] {
  const facts = readProcess(pid);
  const program = facts && executableFile(facts);
  if (!program) {
    throw new UspanError('E_PROCESS_GONE', 'no such process, or its program may not be read', {
      on: `process ${pid}`,
      fix: 'For a file of that name, put ./ in front',
    });
  }
  return [program, ...libraryFiles(facts, () => true)].map(({ path, openPath }) => {
    try {
      return read(path, openPath);
    } catch (error) {
      // One library that cannot be read hides none of the others.
      return { path, sites: [], malformed: 0, error: describeError(error) };
    }
  });
}

function read(path: string, openPath: string): UsdtListing {
  const file = mapFile(openPath);
  try {
    const { bytes, dev, ino, mtimeNs } = file;
    return whileUnchanged(file, path, () => {
      const binary = openBinary({ bytes, path, dev, ino, mtimeNs });
      const sites = binary.notes.map((note) => ({ note, at: noteInstruction(binary, note) }));
      const { malformedNotes: malformed } = binary;
      binary.release();
      return { path, sites, malformed, error: undefined };
    });
  } finally {
    file.close();
  }
}
