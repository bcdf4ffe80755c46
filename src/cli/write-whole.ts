import { writeSync } from 'node:fs';

const waitMs = 5;
const never = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes all bytes, however many calls it takes.
 * @param patienceMs how long a full pipe may take nothing
 * @throws the system's error, EAGAIN if patience ended
 */
export function writeWhole(fd: number, bytes: Uint8Array, patienceMs = 0): void {
  let leftMs = patienceMs;
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
      leftMs = patienceMs;
    } catch (error) {
      if (!isFull(error) || leftMs <= 0) throw error;
      Atomics.wait(never, 0, 0, waitMs);
      leftMs -= waitMs;
    }
  }
}

/** Whether it is the error of a pipe that is full. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
