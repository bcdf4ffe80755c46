/** Records (bpf/events/record.h), made by hand. */
import { FieldHead, FieldMark, SpanHead } from '../../src/probes/layout.gen.ts';
import { putSpanHead, type SpanHeadValues, slabOf } from './otlp-slab.ts';

export interface RecordField {
  readonly field: number;
  /** Text is latin1, so that it can have any byte. A number takes 4 bytes. */
  readonly value: string | number | Uint8Array;
  readonly cut?: boolean | undefined;
  readonly unreadable?: boolean | undefined;
}

export interface SpanRecordValues {
  /** `EventKind`. */
  readonly kind: number;
  readonly fields: readonly RecordField[];
  /** `SpanFlag`s. */
  readonly flags?: number;
  readonly head?: SpanHeadValues;
  readonly pid?: number;
  readonly probeId?: number;
  /** The length that the record claims, in place of the true one. */
  readonly claimedBytes?: number | undefined;
}

/** The bytes of a record, padded to 8. */
export function encodeSpanRecord(record: SpanRecordValues): Uint8Array<ArrayBuffer> {
  const tail = Buffer.concat(record.fields.map(encodeField));
  const length = SpanHead.size + tail.length;
  const slab = slabOf(new Uint8Array((length + 7) & ~7));
  putSpanHead(slab, 0, record.head ?? {});
  const view = new DataView(slab.bytes.buffer);
  view.setUint32(SpanHead.headPid, record.pid ?? 77, true);
  view.setUint32(SpanHead.headTid, record.pid ?? 77, true);
  view.setUint32(SpanHead.headLen, record.claimedBytes ?? length, true);
  view.setUint16(SpanHead.headKind, record.kind, true);
  view.setUint16(SpanHead.headProbeId, record.probeId ?? 0, true);
  view.setUint32(SpanHead.spanFlags, record.flags ?? 0, true);
  slab.bytes.set(tail, SpanHead.size);
  return slab.bytes as Uint8Array<ArrayBuffer>;
}

function encodeField({ field, value, cut, unreadable }: RecordField): Uint8Array {
  const bytes = unreadable ? new Uint8Array(0) : bytesOf(value);
  const encoded = new Uint8Array(FieldHead.size + ((bytes.length + 3) & ~3));
  encoded[FieldHead.field] = field;
  encoded[FieldHead.marks] = (cut ? FieldMark.CUT : 0) | (unreadable ? FieldMark.UNREADABLE : 0);
  new DataView(encoded.buffer).setUint16(FieldHead.len, bytes.length, true);
  encoded.set(bytes, FieldHead.size);
  return encoded;
}

function bytesOf(value: string | number | Uint8Array): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'latin1');
  return typeof value === 'number' ? new Uint8Array(Uint32Array.of(value).buffer) : value;
}
