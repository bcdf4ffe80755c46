import { loadNative, type MappedFile } from '../native.ts';

/** Larger than any program that we have met (Chromium: 0.3 GB). A sparse file of a terabyte is not read. */
const maxBytes = 2 ** 32 - 1;

/** Maps a file read-only. Close it as soon as you have read what you need. @throws UspanError-coded E_FILE_READ */
export function mapFile(path: string): MappedFile {
  return loadNative().mapFile(path, maxBytes);
}
