import type { BpfObject } from '../../native.ts';
import { u32 } from './map-values.ts';
import { openBpfObject } from './open-object.ts';

/** An executable mapping of a file, by the inode that uprobes attach to. */
export interface VmaFile {
  readonly start: bigint;
  readonly ino: bigint;
  /** Kernel encoding: major << 20 | minor. */
  readonly dev: number;
}

const recordBytes = 40;
const maxBytes = 1 << 20;

/**
 * The real inodes behind a process's executable mappings. stat(2) is not enough on overlayfs: every mount gives the same file another
 * device, and attaching twice to one inode would fire every probe twice.
 */
export class VmaFiles {
  readonly #object: BpfObject;

  constructor() {
    this.#object = openBpfObject('vma', { uprobeMulti: false });
  }

  /** By rising start address. Empty if the process is gone. */
  of(pid: number): VmaFile[] {
    this.#object.map('vma_pid').update(u32(0), u32(pid));
    const bytes = this.#object.runIterator('vma_files', maxBytes, pid);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const files: VmaFile[] = [];
    for (let at = 0; at + recordBytes <= bytes.byteLength; at += recordBytes) {
      files.push({
        start: view.getBigUint64(at, true),
        ino: view.getBigUint64(at + 24, true),
        dev: view.getUint32(at + 32, true),
      });
    }
    return files.sort((a, b) => (a.start < b.start ? -1 : 1));
  }

  close(): Promise<void> {
    return this.#object.close();
  }
}

/**
 * Which of them is the executable: the one with its inode number, otherwise the lowest (the program's own text lies below its libraries).
 */
export function executableOf(files: readonly VmaFile[], statIno: bigint): VmaFile | undefined {
  return files.find((file) => file.ino === statIno) ?? files[0];
}
