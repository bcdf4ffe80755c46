import type { Slab } from '../../src/contract/span.ts';
import { spanHead } from '../../src/contract/span-head.ts';

export interface SpanHeadValues {
  readonly startKtimeNs?: bigint;
  readonly endKtimeNs?: bigint;
  /** 32, 16 and 16 hex digits. */
  readonly traceId?: string;
  readonly spanId?: string;
  readonly parentSpanId?: string;
  readonly flags?: number;
}

export function slabOf(bytes: Uint8Array<ArrayBuffer>): Slab {
  return { bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2) };
}

/** Writes a `struct uspan_span_head` at `at` (a multiple of 8). */
export function putSpanHead(slab: Slab, at: number, values: SpanHeadValues): void {
  const view = new DataView(slab.bytes.buffer, slab.bytes.byteOffset);
  view.setBigUint64(at + spanHead.startKtimeNs, values.startKtimeNs ?? 1_000_000_000n, true);
  view.setBigUint64(at + spanHead.endKtimeNs, values.endKtimeNs ?? 1_002_000_000n, true);
  slab.bytes.set(Buffer.from(values.traceId ?? '0af7651916cd43dd8448eb211c80319c', 'hex'), at + spanHead.traceId);
  slab.bytes.set(Buffer.from(values.spanId ?? 'b7ad6b7169203331', 'hex'), at + spanHead.spanId);
  slab.bytes.set(Buffer.from(values.parentSpanId ?? '0000000000000000', 'hex'), at + spanHead.parentSpanId);
  view.setUint32(at + spanHead.traceFlags, values.flags ?? 1, true);
}

/** A slab with one head at 0 and `text` after it. `text` is at `textAt`. */
export function slabWith(
  values: SpanHeadValues,
  text: Uint8Array | string = '',
): { slab: Slab; textAt: number; textLength: number } {
  const utf8 = typeof text === 'string' ? Buffer.from(text) : text;
  const slab = slabOf(new Uint8Array(Math.ceil((spanHead.bytes + utf8.length) / 8) * 8));
  putSpanHead(slab, 0, values);
  slab.bytes.set(utf8, spanHead.bytes);
  return { slab, textAt: spanHead.bytes, textLength: utf8.length };
}
