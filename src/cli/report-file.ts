import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UspanError } from '../contract/errors.ts';
import { printableJson } from '../contract/printable.ts';
import type { Report } from '../report.ts';
import { writeWhole } from './write-whole.ts';

/** How long the reader of a pipe may read nothing. */
const patienceMs = 1000;

/** Where `run --report` writes. */
export interface ReportFile {
  /**
   * Writes the report whole, or leaves what was there untouched: it goes into a new file, which then takes the name. A device such as
   * /dev/stderr is written as it is.
   * @throws UspanError E_REPORT
   */
  write(report: Report): void;
}

/**
 * Tries at the start whether the file can be written at the end, and changes nothing. A user wants to know before the run.
 * @throws UspanError E_REPORT
 */
export function openReportFile(path: string): ReportFile {
  const tried = <T>(act: () => T): T => {
    try {
      return act();
    } catch (cause) {
      throw new UspanError('E_REPORT', 'the report cannot be written', {
        on: path,
        fix: 'Name a writable file',
        cause,
      });
    }
  };
  return tried(() => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat && !stat.isFile()) {
      // Without a reader, this fails, where a blocking open() would wait for one.
      closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY));
      return { write: (report) => tried(() => writeInPlace(path, textOf(report))) };
    }
    // A symbolic link stays one.
    const file = stat ? realpathSync(path) : path;
    const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
    const create = () => openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL);
    const remove = () => rmSync(temporary, { force: true });
    remove();
    closeSync(create());
    remove();
    return {
      write: (report) =>
        tried(() => {
          const fd = create();
          try {
            try {
              if (stat) fchmodSync(fd, stat.mode & 0o777);
              writeWhole(fd, textOf(report));
              fsyncSync(fd);
            } finally {
              closeSync(fd);
            }
            renameSync(temporary, file);
          } catch (error) {
            remove();
            throw error;
          }
        }),
    };
  });
}

function textOf(report: Report): Buffer {
  return Buffer.from(`${printableJson(report, 2)}\n`);
}

function writeInPlace(path: string, text: Buffer): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    writeWhole(fd, text, patienceMs);
  } finally {
    closeSync(fd);
  }
}
