/** A `struct uspan_usdt_event` as a span of kind internal. */
import { attributeKey } from '../../contract/attribute-key.ts';
import type { ProbeDefinition } from '../../contract/decision.ts';
import { type Slab, SpanKind, type SpanWriter } from '../../contract/span.ts';
import { SpanHead, UsdtEvent } from '../layout.gen.ts';
import type { NamePiece, PairArgument, UsdtType } from './pair.ts';

const truncated = attributeKey('uspan.truncated');
const unreadable = attributeKey('uspan.unreadable');

/** What stands in a name for a value that is not known. */
const unknown = '?';

/**
 * The `write` of a pair. `spanName` and `captures` as the program was told: a number in the name is an index into `captures`, which are in the
 * order of their texts. An argument that was not read is no attribute, never an empty one.
 */
export function pairWriter(
  spanName: readonly NamePiece[],
  captures: readonly PairArgument[],
): ProbeDefinition['write'] {
  /** Where each text begins; valid for the record being written. */
  const textAt = new Int32Array(captures.length);
  return (slab, at, resource, out) => {
    const end = at + slab.words[(at + SpanHead.headLen) >> 2]!;
    if (end < at + UsdtEvent.size) return 'malformed';
    const masks = slab.words[(at + UsdtEvent.seen) >> 2]!;
    const missing = masks >>> 16;
    const known = masks & 0xffff & ~missing;
    let text = at + UsdtEvent.size;
    for (let i = 0; i < captures.length; i++) {
      textAt[i] = text;
      if (captures[i]!.type !== 'string' || !(known & (1 << i))) continue;
      text += slab.words[valueAt(at, i) >> 2]!;
      if (text > end) return 'malformed';
    }

    const cut = slab.words[(at + UsdtEvent.cut) >> 2]! & 0xffff;
    out.begin(slab, at, resource, SpanKind.internal);
    for (const piece of spanName) {
      if (typeof piece === 'string') out.nameText(piece);
      else if (!(known & (1 << piece))) out.nameText(unknown);
      else if (captures[piece]!.type === 'string') out.nameBytes(slab, textAt[piece]!, textLength(slab, at, piece));
      else out.nameText(numberText(captures[piece]!.type, slab, valueAt(at, piece)));
    }
    for (let i = 0; i < captures.length; i++) {
      if (!(known & (1 << i))) continue;
      const { key, type } = captures[i]!;
      if (type !== 'string') {
        writeNumber(key, type, slab, valueAt(at, i), out);
        continue;
      }
      const length = textLength(slab, at, i);
      // Cut to nothing: the span had no room left.
      if (length > 0 || !(cut & (1 << i))) out.bytes(key, slab, textAt[i]!, length);
    }
    if (cut !== 0) out.text(truncated, names(captures, cut));
    if (missing !== 0) out.text(unreadable, names(captures, missing));
    out.end();
    return 'internal';
  };
}

function valueAt(at: number, index: number): number {
  return at + UsdtEvent.value + 8 * index;
}

function textLength(slab: Slab, at: number, index: number): number {
  return slab.words[valueAt(at, index) >> 2]!;
}

function names(captures: readonly PairArgument[], mask: number): string {
  return captures
    .filter((_, index) => mask & (1 << index))
    .map(({ key }) => key.text)
    .join(',');
}

function writeNumber(key: PairArgument['key'], type: UsdtType, slab: Slab, at: number, out: SpanWriter): void {
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
      // Beyond 2^53 a number of JavaScript is not exact: in digits it is.
      if (Number.isSafeInteger(value)) out.int(key, value);
      else out.text(key, numberText(type, slab, at));
    }
  }
}

function numberText(type: UsdtType, slab: Slab, at: number): string {
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

function integerOf(type: UsdtType, { words }: Slab, at: number): number {
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
