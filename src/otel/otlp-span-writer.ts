import type { AttributeKey } from '../contract/attribute-key.ts';
import type { Resource, Slab, SpanKind, StatusCode } from '../contract/span.ts';
import { spanHead } from '../contract/span-head.ts';
import { BufferPool } from './buffer-pool.ts';
import type { ClockedSpanWriter } from './clocked-span-writer.ts';
import type { SpanSink } from './encoded-spans.ts';
import { bufferOf, type OpenBatch, OpenBatches, type OpenBatchLimits, viewOf } from './open-batches.ts';
import { copyAscii, putAscii, putVarint, putVarint64, varint64Bytes, varintBytes } from './protobuf.ts';
import { cutUtf8, decodeUtf8, encodeUtf8 } from './utf8.ts';

const noBytes = new Uint8Array(0);
/** From this length on, the platform's encoder is faster than a loop (a call of it takes some 60 ns, a character of the loop 2). */
const longText = 32;
/**
 * The encoder's room beyond a text's characters. What it writes of a text that is not ASCII is then longer than the text, also if it is
 * cut.
 */
const encoderRoom = 4;

/** Longest name in bytes: what a two-byte length can say. Longer ones are cut at a code point. */
export const maxNameBytes = 0x3fff;

/**
 * Appends spans as OTLP protobuf (opentelemetry/proto/trace/v1/trace.proto) straight into one byte buffer per resource. It allocates
 * nothing for a span unless a text is not ASCII. If a length is not known in advance, it leaves a varint of fixed width open and fills it
 * in later: four bytes for the span, two for the name. protobuf allows such padding. Plain loops of four bytes a step copy texts: for a few
 * dozen bytes they are faster than `set` and `copy` (bench/otlp-encode.ts).
 *
 * The next `begin` drops a span that began but never ended, because its definition threw.
 */
export class OtlpSpanWriter implements ClockedSpanWriter {
  readonly #batches: OpenBatches;
  readonly #pool: BufferPool;
  #offsetLo = 0;
  #offsetHi = 0;

  #batch: OpenBatch | undefined;
  #out: Uint8Array = noBytes;
  #outView: DataView = viewOf(noBytes);
  #outBuffer: Buffer = bufferOf(noBytes);
  #slab: Slab | undefined;
  #slabView: DataView = viewOf(noBytes);
  #pos = 0;
  /** Where the bytes of the name begin. 0 once it is closed. */
  #nameAt = 0;

  /** Buffers of batches come from `pool`. The sink that takes a batch may give its buffer back. */
  constructor(sink: SpanSink, limits: OpenBatchLimits, pool = new BufferPool(0)) {
    this.#batches = new OpenBatches(sink, limits, pool);
    this.#pool = pool;
  }

  setClockOffsetNs(offsetNs: bigint): void {
    this.#offsetLo = Number(BigInt.asUintN(32, offsetNs));
    this.#offsetHi = Number(BigInt.asUintN(32, offsetNs >> 32n));
  }

  /** Hands every unfinished batch to the sink. */
  flush(): void {
    this.#batches.flush();
    this.#batch = undefined;
  }

  begin(slab: Slab, at: number, resource: Resource, kind: SpanKind): void {
    const batch = this.#batches.of(resource);
    this.#batch = batch;
    if (this.#out !== batch.bytes) {
      this.#out = batch.bytes;
      this.#outView = batch.view;
      this.#outBuffer = batch.buffer;
    }
    this.#pos = batch.end;
    this.#reserve(96);
    const out = this.#out;
    const view = this.#outView;
    const { words } = slab;
    let p = this.#pos;
    out[p] = 0x12; // ScopeSpans.spans = 2; the length follows in end()
    out[p + 5] = 0x0a; // trace_id = 1
    out[p + 6] = 16;
    const traceId = (at + spanHead.traceId) >>> 2;
    view.setUint32(p + 7, words[traceId]!, true);
    view.setUint32(p + 11, words[traceId + 1]!, true);
    view.setUint32(p + 15, words[traceId + 2]!, true);
    view.setUint32(p + 19, words[traceId + 3]!, true);
    out[p + 23] = 0x12; // span_id = 2
    out[p + 24] = 8;
    const spanId = (at + spanHead.spanId) >>> 2;
    view.setUint32(p + 25, words[spanId]!, true);
    view.setUint32(p + 29, words[spanId + 1]!, true);
    p += 33;
    const parent = (at + spanHead.parentSpanId) >>> 2;
    if ((words[parent]! | words[parent + 1]!) !== 0) {
      out[p] = 0x22; // parent_span_id = 4
      out[p + 1] = 8;
      view.setUint32(p + 2, words[parent]!, true);
      view.setUint32(p + 6, words[parent + 1]!, true);
      p += 10;
    }
    out[p] = 0x30; // kind = 6
    out[p + 1] = kind;
    p += 2;

    const startLo = words[(at + spanHead.startKtimeNs) >>> 2]!;
    const startHi = words[(at + spanHead.startKtimeNs + 4) >>> 2]!;
    let endLo = words[(at + spanHead.endKtimeNs) >>> 2]!;
    let endHi = words[(at + spanHead.endKtimeNs + 4) >>> 2]!;
    if (endHi < startHi || (endHi === startHi && endLo < startLo)) {
      endLo = startLo;
      endHi = startHi;
    }
    out[p] = 0x39; // start_time_unix_nano = 7
    this.#unixTime(p + 1, startLo, startHi);
    out[p + 9] = 0x41; // end_time_unix_nano = 8
    this.#unixTime(p + 10, endLo, endHi);
    p += 18;

    out[p] = 0x85; // flags = 16, fixed32
    out[p + 1] = 0x01;
    view.setUint32(p + 2, words[(at + spanHead.traceFlags) >>> 2]!, true);
    out[p + 6] = 0x2a; // name = 5; its two length bytes follow in #closeName
    p += 9;
    this.#pos = p;
    this.#nameAt = p;
  }

  nameText(text: string): void {
    this.#reserve(text.length + encoderRoom);
    const p = this.#putText(this.#pos, text);
    if (p < 0) this.#append(encodeUtf8(text));
    else this.#pos = p;
  }

  nameBytes(slab: Slab, from: number, length: number): void {
    this.#reserve(length);
    const p = copyAscii(this.#outView, this.#pos, this.#viewOf(slab), from, length);
    if (p < 0) this.#append(encodeUtf8(decodeUtf8(slab.bytes, from, length)));
    else this.#pos = p;
  }

  traceState(slab: Slab, from: number, length: number): void {
    if (this.#nameAt !== 0) this.#closeName();
    if (length <= 0) return;
    this.#reserve(length + 6);
    const out = this.#out;
    out[this.#pos] = 0x1a; // trace_state = 3
    const p = copyAscii(this.#outView, putVarint(out, this.#pos + 1, length), this.#viewOf(slab), from, length);
    if (p >= 0) this.#pos = p;
    else this.#field(0x1a, encodeUtf8(decodeUtf8(slab.bytes, from, length)));
  }

  text(key: AttributeKey, value: string): void {
    const length = value.length;
    const valueAt = this.#stringAttribute(key, length);
    const p = this.#putText(valueAt, value);
    if (p >= 0) this.#pos = p;
    else this.#slowText(key, encodeUtf8(value));
  }

  bytes(key: AttributeKey, slab: Slab, from: number, length: number): void {
    const valueAt = this.#stringAttribute(key, length);
    const p = copyAscii(this.#outView, valueAt, this.#viewOf(slab), from, length);
    if (p >= 0) this.#pos = p;
    else this.#slowText(key, encodeUtf8(decodeUtf8(slab.bytes, from, length)));
  }

  int(key: AttributeKey, value: number): void {
    const lo = value >>> 0;
    const hi = lo === value ? 0 : Math.floor(value / 0x1_0000_0000) >>> 0;
    const p = this.#attribute(key, 1 + varint64Bytes(lo, hi));
    this.#out[p] = 0x18; // AnyValue.int_value = 3
    this.#pos = putVarint64(this.#out, p + 1, lo, hi);
  }

  double(key: AttributeKey, value: number): void {
    const p = this.#attribute(key, 9);
    this.#out[p] = 0x21; // AnyValue.double_value = 4
    this.#outView.setFloat64(p + 1, value, true);
    this.#pos = p + 9;
  }

  bool(key: AttributeKey, value: boolean): void {
    const p = this.#attribute(key, 2);
    this.#out[p] = 0x10; // AnyValue.bool_value = 2
    this.#out[p + 1] = value ? 1 : 0;
    this.#pos = p + 2;
  }

  status(code: StatusCode, message?: string): void {
    if (this.#nameAt !== 0) this.#closeName();
    const length = message?.length ?? 0;
    let p = this.#statusMessage(length);
    if (length > 0) {
      const end = this.#putText(p, message!);
      if (end < 0) {
        const utf8 = encodeUtf8(message!);
        p = this.#statusMessage(utf8.length);
        this.#out.set(utf8, p);
        p += utf8.length;
      } else p = end;
    }
    this.#out[p] = 0x18; // Status.code = 3
    this.#out[p + 1] = code;
    this.#pos = p + 2;
  }

  end(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    if (this.#nameAt !== 0) this.#closeName();
    const out = this.#out;
    const from = batch.end;
    const spanBytes = this.#pos - from - 5;
    out[from + 1] = (spanBytes & 0x7f) | 0x80;
    out[from + 2] = ((spanBytes >>> 7) & 0x7f) | 0x80;
    out[from + 3] = ((spanBytes >>> 14) & 0x7f) | 0x80;
    out[from + 4] = (spanBytes >>> 21) & 0x7f;
    this.#batch = undefined;
    this.#batches.add(batch, out, this.#pos);
  }

  /** Begins a status whose message has `length` bytes. Returns where these go, with the code after them. */
  #statusMessage(length: number): number {
    const messageBytes = length === 0 ? 0 : 1 + varintBytes(length) + length;
    this.#reserve(messageBytes + 10 + encoderRoom);
    const out = this.#out;
    out[this.#pos] = 0x7a; // status = 15
    const p = putVarint(out, this.#pos + 1, messageBytes + 2);
    if (length === 0) return p;
    out[p] = 0x12; // Status.message = 2
    return putVarint(out, p + 1, length);
  }

  /** Copies `text`, for which there is room and `encoderRoom` more. Returns the position after it, or -1 if it is not ASCII. */
  #putText(at: number, text: string): number {
    const { length } = text;
    if (length < longText) return putAscii(this.#out, at, text);
    return this.#outBuffer.write(text, at, length + encoderRoom, 'utf8') === length ? at + length : -1;
  }

  #closeName(): void {
    const from = this.#nameAt;
    let length = this.#pos - from;
    if (length > maxNameBytes) {
      length = cutUtf8(this.#out, from, maxNameBytes);
      this.#pos = from + length;
    }
    this.#out[from - 2] = (length & 0x7f) | 0x80;
    this.#out[from - 1] = length >>> 7;
    this.#nameAt = 0;
  }

  /** Writes tag, lengths and key of an attribute whose AnyValue has `valueBytes`. Returns where that value goes. */
  #attribute(key: AttributeKey, valueBytes: number): number {
    if (this.#nameAt !== 0) this.#closeName();
    const keyBytes = key.encoded.length;
    const keyWords = key.encodedWords;
    this.#reserve(keyBytes + valueBytes + 16 + encoderRoom);
    const out = this.#out;
    let p = this.#pos;
    out[p] = 0x4a; // attributes = 9
    const short = keyBytes + valueBytes < 0x7e; // so that both lengths are one byte: putVarint costs more than the rest
    if (short) out[p + 1] = keyBytes + valueBytes + 2;
    p = short ? p + 2 : putVarint(out, p + 1, keyBytes + 1 + varintBytes(valueBytes) + valueBytes);
    // Up to three bytes too many. What follows overwrites them.
    const view = this.#outView;
    for (let i = 0; i < keyWords.length; i++) view.setUint32(p + 4 * i, keyWords[i]!, true);
    p += keyBytes;
    out[p] = 0x12; // KeyValue.value = 2
    if (!short) return putVarint(out, p + 1, valueBytes);
    out[p + 1] = valueBytes;
    return p + 2;
  }

  /** As `#attribute`, for a string of `length` bytes. Returns where its bytes go. */
  #stringAttribute(key: AttributeKey, length: number): number {
    const p = this.#attribute(key, 1 + varintBytes(length) + length);
    this.#out[p] = 0x0a; // AnyValue.string_value = 1
    return putVarint(this.#out, p + 1, length);
  }

  /** The text is not ASCII: `#pos` is still where the attribute began. */
  #slowText(key: AttributeKey, utf8: Uint8Array): void {
    const p = this.#stringAttribute(key, utf8.length);
    this.#out.set(utf8, p);
    this.#pos = p + utf8.length;
  }

  #field(tag: number, utf8: Uint8Array): void {
    this.#reserve(utf8.length + 6);
    this.#out[this.#pos] = tag;
    this.#pos = putVarint(this.#out, this.#pos + 1, utf8.length);
    this.#append(utf8);
  }

  #append(utf8: Uint8Array): void {
    this.#reserve(utf8.length);
    this.#out.set(utf8, this.#pos);
    this.#pos += utf8.length;
  }

  #viewOf(slab: Slab): DataView {
    if (slab !== this.#slab) {
      this.#slab = slab;
      this.#slabView = viewOf(slab.bytes);
    }
    return this.#slabView;
  }

  #unixTime(p: number, ktimeLo: number, ktimeHi: number): void {
    const lo = ktimeLo + this.#offsetLo;
    this.#outView.setUint32(p, lo, true);
    this.#outView.setUint32(p + 4, ktimeHi + this.#offsetHi + (lo > 0xffff_ffff ? 1 : 0), true);
  }

  #reserve(more: number): void {
    const need = this.#pos + more;
    if (need > this.#out.length) this.#grow(need);
  }

  #grow(need: number): void {
    const grown = this.#pool.take(Math.max(need, this.#out.length * 2));
    grown.set(this.#out.subarray(0, this.#pos));
    this.#out = grown;
    this.#outView = viewOf(grown);
    this.#outBuffer = bufferOf(grown);
  }
}
