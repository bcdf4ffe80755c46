/**
 * Preloaded into the agent (`NODE_OPTIONS=--import`), it copies every drained record to the file RECORD_RING. At the end it writes to that
 * name, with `.json` behind it, which BPF object each attachment's records come from. It knows only the addon: native/native.d.ts.
 */
import { openSync, writeFileSync, writeSync } from 'node:fs';
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
  const objects: Record<number, string> = {};
  const { openObject } = native;
  native.openObject = (options) => {
    const object = openObject(options);
    const ring = object.ring.bind(object);
    const attachUprobes = object.attachUprobes.bind(object);
    override(object, 'ring', (name) => (name === 'spans' ? copying(ring(name), file) : ring(name)));
    override(object, 'attachUprobes', (request) => {
      // USPAN_COOKIE_MOMENT_BITS of bpf/event.h: bits 16 to 31 are the attachment's id.
      for (const cookie of request.cookies) objects[Number((cookie >> 16n) & 0xffffn)] = options.name;
      return attachUprobes(request);
    });
    return object;
  };
  process.once('exit', () => writeFileSync(`${to}.json`, JSON.stringify(objects)));
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
