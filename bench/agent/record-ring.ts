/**
 * Preloaded into the agent (`NODE_OPTIONS=--import`), it copies every drained record to the file RECORD_RING. It knows only the addon:
 * native/native.d.ts.
 */
import { openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Native from '../../native/native.d.ts';

const path = process.env.RECORD_RING;
// The agent's child processes, if it has any, inherit the preload.
if (path !== undefined) {
  delete process.env.RECORD_RING;
  record(path);
}

function record(to: string): void {
  const addon = join(import.meta.dirname, '..', '..', 'native', 'build', 'Release', 'uspan.node');
  // The agent gets the same module object.
  const native = createRequire(import.meta.url)(addon) as { -readonly [K in keyof typeof Native]: (typeof Native)[K] };
  const file = openSync(to, 'w');
  const { openObject } = native;
  native.openObject = (options) => {
    const object = openObject(options);
    const ring = object.ring.bind(object);
    override(object, 'ring', (name) => (name === 'spans' ? copying(ring(name), file) : ring(name)));
    return object;
  };
}

function copying(ring: Native.RingBuffer, file: number): Native.RingBuffer {
  const drain = ring.drain.bind(ring);
  override(ring, 'drain', (slab) => {
    const bytes = drain(slab);
    if (bytes > 0) writeSync(file, slab, 0, bytes);
    return bytes;
  });
  return ring;
}

/** The addon's methods cannot be assigned to. */
function override<T extends object, K extends keyof T>(object: T, name: K, value: T[K]): void {
  Object.defineProperty(object, name, { value });
}
