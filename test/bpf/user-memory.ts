import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MappedFile } from '../../native/native.d.ts';
import { loadNative } from '../../src/native.ts';

const pageBytes = 4096;

/**
 * Memory of this very process at a known address, for programs that read user memory. It is a file that the addon maps, and that is written
 * through the file. All of it is in the page tables from the start, which a BPF program that must not sleep needs.
 */
export class UserMemory {
  readonly address: bigint;
  readonly sizeBytes: number;
  readonly #directory: string;
  readonly #file: number;
  readonly #mapped: MappedFile;
  #used = 0;

  constructor(pages: number) {
    this.sizeBytes = pages * pageBytes;
    this.#directory = mkdtempSync(join(tmpdir(), 'uspan-memory-'));
    const path = join(this.#directory, 'memory');
    this.#file = openSync(path, 'w');
    writeSync(this.#file, new Uint8Array(this.sizeBytes));
    this.#mapped = loadNative().mapFile(path, this.sizeBytes);
    this.#touch(this.sizeBytes);
    const line = readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .find((each) => each.endsWith(path));
    this.address = BigInt(`0x${line!.split('-')[0]}`);
  }

  /** Room for `bytes` bytes, zeroed, on an 8-byte boundary. */
  allocate(bytes: number): bigint {
    this.#used = (this.#used + 7) & ~7;
    const at = this.address + BigInt(this.#used);
    this.#used += bytes;
    if (this.#used > this.sizeBytes) throw new Error('out of test memory');
    return at;
  }

  /** An address `before` bytes ahead of the last page, apart from what allocate() gives. */
  beforeLastPage(before: number): bigint {
    return this.address + BigInt(this.sizeBytes - pageBytes - before);
  }

  write(address: bigint, bytes: Uint8Array): void {
    writeSync(this.#file, bytes, 0, bytes.length, Number(address - this.address));
  }

  u64(address: bigint, value: bigint): void {
    this.write(address, new Uint8Array(BigUint64Array.of(value).buffer));
  }

  /** The text of the Go string whose header is at `address`; undefined for 0. */
  firstString(address: bigint): string | undefined {
    if (address === 0n) return undefined;
    const { bytes } = this.#mapped;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const header = Number(address - this.address);
    const from = Number(view.getBigUint64(header, true) - this.address);
    return Buffer.from(bytes.subarray(from, from + Number(view.getBigUint64(header + 8, true)))).toString('latin1');
  }

  /** Takes the last page away, so that it is unreadable. */
  cutLastPage(): void {
    ftruncateSync(this.#file, this.sizeBytes - pageBytes);
    // Splitting a large folio of the page cache also takes its other pages out of the page tables.
    this.#touch(this.sizeBytes - pageBytes);
  }

  close(): void {
    this.#mapped.close();
    closeSync(this.#file);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Reads a byte of every page, so that the kernel maps it. */
  #touch(sizeBytes: number): void {
    let sum = 0;
    for (let at = 0; at < sizeBytes; at += pageBytes) sum += this.#mapped.bytes[at]!;
    if (!(sum >= 0)) throw new Error('the pages could not be read');
  }
}
