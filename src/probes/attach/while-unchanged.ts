import { fstatSync } from 'node:fs';
import { UspanError } from '../../contract/errors.ts';
import type { MappedFile } from '../../native.ts';

/**
 * Reads a mapped file. What was read of a file that somebody wrote to meanwhile means nothing, whether it looks right or broken.
 * @param path for messages
 * @throws UspanError E_FILE_CHANGED, what `read` throws, and E_ELF_FORMAT for what it throws without a code
 */
export function whileUnchanged<T>(file: MappedFile, path: string, read: () => T): T {
  let thrown: unknown;
  try {
    const result = read();
    if (!hasChanged(file)) return result;
  } catch (cause) {
    thrown = cause;
  }
  if (hasChanged(file)) {
    const more = { on: path, fix: 'Try again when it is written', cause: thrown };
    throw new UspanError('E_FILE_CHANGED', 'the file was written to while it was read', more);
  }
  if (thrown instanceof UspanError) throw thrown;
  throw new UspanError('E_ELF_FORMAT', 'the file could not be read', { on: path, cause: thrown });
}

function hasChanged(file: MappedFile): boolean {
  if (file.faulted()) return true;
  const { size, mtimeNs } = fstatSync(file.fd, { bigint: true });
  return size !== BigInt(file.bytes.length) || mtimeNs !== file.mtimeNs;
}
