import { createHash } from 'node:crypto';
import { readProcFile } from './proc-file.ts';
import type { ProcessFacts } from './process-facts.ts';

/** The namespace that the semantic conventions set for a `service.instance.id` made of other ids. */
const namespace = Buffer.from('4d63009a8d0f11eeaad74c796ed8e320', 'hex');

let bootId: string | undefined;

/** `service.instance.id`: a UUID that stays the same while the process lives, also over restarts of uspan, and is never used again. */
export function instanceId(facts: Pick<ProcessFacts, 'pid' | 'startBootNs'>): string {
  bootId ??= readProcFile('/proc/sys/kernel/random/boot_id', 64)?.toString('latin1').trim() ?? '';
  return uuidV5(namespace, `${bootId}:${facts.pid}:${facts.startBootNs}`);
}

/** RFC 9562, section 5.5. */
export function uuidV5(space: Uint8Array, name: string): string {
  const bytes = createHash('sha1').update(space).update(name).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
