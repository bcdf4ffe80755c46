/** A pair as a span of kind internal. Its fields are its captures. */
import { type Slab, SpanKind, type SpanWriter } from '../../contract/span.ts';
import type { SpanTable } from '../../semconv/span-table.ts';
import type { SpanRecord } from '../span-record.ts';
import type { ArgumentType, NamePiece, PairArgument } from './pair.ts';

/** What a name has in place of an unknown value. */
const unknown = '?';

/**
 * `spanName` and `captures` as the program has them. A number in the name is an index into `captures`. An argument that was not read gives
 * no attribute, and never an empty one.
 */
export function pairSpan(spanName: readonly NamePiece[], captures: readonly PairArgument[]): SpanTable {
  return {
    kind: SpanKind.internal,
    written: 'internal',
    prepare(record) {
      for (let i = 0; i < captures.length; i++) {
        if (captures[i]!.type !== 'string' && isKnown(record, i) && record.length(i) !== 8) return 'malformed';
      }
      return undefined;
    },
    name(record, out) {
      for (const piece of spanName) {
        if (typeof piece === 'string') out.nameText(piece);
        else if (!isKnown(record, piece)) out.nameText(unknown);
        else if (captures[piece]!.type === 'string') out.nameBytes(record.slab, record.at(piece), record.length(piece));
        else out.nameText(numberText(captures[piece]!.type, record.slab, record.at(piece)));
      }
    },
    fields: Object.fromEntries(captures.map(({ key }, i) => [i, [key.text]])),
    // The table's codecs are not used, because they are not called for an empty text, which is an attribute here.
    end(record, out) {
      for (let i = 0; i < captures.length; i++) {
        if (!isKnown(record, i)) continue;
        const { key, type } = captures[i]!;
        const length = record.length(i);
        if (type !== 'string') writeNumber(key, type, record.slab, record.at(i), out);
        // It was cut to nothing, because the span had no room left.
        else if (length > 0 || !(record.cut & (1 << i))) out.bytes(key, record.slab, record.at(i), length);
      }
    },
  };
}

function isKnown(record: SpanRecord, field: number): boolean {
  return record.has(field) && (record.unreadable & (1 << field)) === 0;
}

function writeNumber(key: PairArgument['key'], type: ArgumentType, slab: Slab, at: number, out: SpanWriter): void {
  switch (type) {
    case 'bool':
      out.bool(key, isTrue(slab, at));
      return;
    case 'f32':
    case 'f64':
      out.double(key, floatOf(type, slab, at));
      return;
    case 'pointer':
      out.text(key, numberText(type, slab, at));
      return;
    default: {
      const value = integerOf(type, slab, at);
      // Beyond 2^53, a number of JavaScript is not exact, but its digits are.
      if (Number.isSafeInteger(value)) out.int(key, value);
      else out.text(key, numberText(type, slab, at));
    }
  }
}

function numberText(type: ArgumentType, slab: Slab, at: number): string {
  if (type === 'bool') return String(isTrue(slab, at));
  if (type === 'f64' || type === 'f32') return String(floatOf(type, slab, at));
  if (type === 'pointer') return `0x${u64(slab, at).toString(16)}`;
  const value = integerOf(type, slab, at);
  if (Number.isSafeInteger(value)) return String(value);
  return String(type === 'i64' ? BigInt.asIntN(64, u64(slab, at)) : u64(slab, at));
}

function isTrue({ words }: Slab, at: number): boolean {
  return (words[at >> 2]! | words[(at >> 2) + 1]!) !== 0;
}

function integerOf(type: ArgumentType, { words }: Slab, at: number): number {
  const lo = words[at >> 2]!;
  switch (type) {
    case 'i8':
      return (lo << 24) >> 24;
    case 'u8':
      return lo & 0xff;
    case 'i16':
      return (lo << 16) >> 16;
    case 'u16':
      return lo & 0xffff;
    case 'i32':
      return lo | 0;
    case 'u32':
      return lo;
    case 'i64':
      return (words[(at >> 2) + 1]! | 0) * 0x1_0000_0000 + lo;
    default:
      return words[(at >> 2) + 1]! * 0x1_0000_0000 + lo;
  }
}

function floatOf(type: 'f32' | 'f64', { bytes }: Slab, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
  return type === 'f32' ? view.getFloat32(0, true) : view.getFloat64(0, true);
}

function u64({ words }: Slab, at: number): bigint {
  return (BigInt(words[(at >> 2) + 1]!) << 32n) | BigInt(words[at >> 2]!);
}
