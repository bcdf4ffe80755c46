import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadNative } from '../../src/native.ts';

const native = loadNative();
const page = 4096;
const unlimited = 2 ** 40;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'uspan-map-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const file = (name: string, bytes: Uint8Array | string) => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
};

describe('mapFile', () => {
  test("gives the file's bytes and identity", () => {
    const bytes = Uint8Array.from({ length: 3 * page + 17 }, (_, index) => index * 7);
    const path = file('plain', bytes);
    utimesSync(path, 1_700_000_000.25, 1_700_000_000.25);
    const mapped = native.mapFile(path, unlimited);
    const status = statSync(path, { bigint: true });
    expect(mapped.bytes).toEqual(bytes);
    expect(mapped.sizeBytes).toBe(bytes.byteLength);
    expect([mapped.dev, mapped.ino, mapped.mtimeNs]).toEqual([status.dev, status.ino, status.mtimeNs]);
    expect(readlinkSync(`/proc/self/fd/${mapped.fd}`)).toBe(path);
    expect(mapped.faulted()).toBe(false);
    mapped.close();
  });

  test('detaches every view at close, once', () => {
    const mapped = native.mapFile(file('views', 'some text'), unlimited);
    const { bytes, fd } = mapped;
    const view = new DataView(bytes.buffer, 2, 4);
    expect(view.getUint8(0)).toBe(109);
    mapped.close();
    mapped.close();
    expect(bytes.byteLength).toBe(0);
    expect(mapped.bytes.byteLength).toBe(0);
    expect(() => view.getUint8(0)).toThrow(TypeError);
    expect(() => mapped.fd).toThrow(expect.objectContaining({ code: 'E_NATIVE' }));
    expect(() => readlinkSync(`/proc/self/fd/${fd}`)).toThrow();
  });

  test('reads zeros, and says so, where a file has shrunk', () => {
    const path = file('shrinks', new Uint8Array(64 * page).fill(0xaa));
    const mapped = native.mapFile(path, unlimited);
    const other = native.mapFile(file('stays', new Uint8Array(4 * page).fill(0xbb)), unlimited);
    truncateSync(path, 10 * page + 5);
    expect(mapped.bytes[10 * page + 4]).toBe(0xaa);
    expect(mapped.faulted()).toBe(false);
    expect(mapped.bytes[20 * page]).toBe(0);
    expect(mapped.faulted()).toBe(true);
    expect(mapped.bytes[64 * page - 1]).toBe(0);
    // Pages between the file's end and the first fault, then a second truncation: more faults.
    expect(mapped.bytes[15 * page]).toBe(0);
    truncateSync(path, 0);
    expect(mapped.bytes.every((byte) => byte === 0)).toBe(true);
    expect(other.faulted()).toBe(false);
    expect(other.bytes[0]).toBe(0xbb);
    mapped.close();
    expect(mapped.faulted()).toBe(true);
    other.close();
    const next = native.mapFile(file('next', 'fresh'), unlimited);
    expect(next.faulted()).toBe(false);
    next.close();
  });

  test('maps an empty file', () => {
    const mapped = native.mapFile(file('empty', ''), 0);
    expect(mapped.bytes.byteLength).toBe(0);
    expect(mapped.faulted()).toBe(false);
    mapped.close();
  });

  test('survives hundreds of maps at once', () => {
    const path = file('many', new Uint8Array(2 * page).fill(1));
    const maps = Array.from({ length: 300 }, () => native.mapFile(path, unlimited));
    truncateSync(path, page);
    for (const mapped of maps) expect(mapped.bytes[page]).toBe(0);
    expect(maps.every((mapped) => mapped.faulted())).toBe(true);
    for (const mapped of maps) mapped.close();
  });

  test('refuses what is missing, too large, or no regular file: E_FILE_READ', () => {
    const refused = (path: string, maxBytes: number, message: string, errno?: number) =>
      expect(() => native.mapFile(path, maxBytes)).toThrow(
        expect.objectContaining({
          code: 'E_FILE_READ',
          message: expect.stringContaining(message),
          ...(errno === undefined ? {} : { errno }),
        }),
      );
    refused(join(directory, 'missing'), unlimited, 'ENOENT', 2);
    refused(file('large', new Uint8Array(11)), 10, 'has 11 bytes, more than 10');
    mkdirSync(join(directory, 'folder'));
    refused(join(directory, 'folder'), unlimited, 'not a regular file');
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    refused(join(directory, 'fifo'), unlimited, 'not a regular file');
    refused('/dev/zero', unlimited, 'not a regular file');
    expect(() => native.mapFile('a\0b', unlimited)).toThrow(expect.objectContaining({ code: 'E_NATIVE' }));
    expect(() => native.mapFile('/etc/passwd', -1)).toThrow(expect.objectContaining({ code: 'E_NATIVE' }));
    expect(() => native.mapFile('/etc/passwd', Number.NaN)).toThrow(expect.objectContaining({ code: 'E_NATIVE' }));
  });

  test('leaves no descriptor behind after a refusal', () => {
    const next = () => {
      const fd = openSync('/dev/null', 'r');
      closeSync(fd);
      return fd;
    };
    const before = next();
    for (let attempt = 0; attempt < 50; attempt++) expect(() => native.mapFile(directory, unlimited)).toThrow();
    expect(next()).toBe(before);
  });
});
