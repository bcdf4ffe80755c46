import type { Slab } from '../contract/span.ts';
import { Constant, FieldHead, FieldMark, SpanHead } from './layout.gen.ts';

/**
 * The fields of a record (bpf/events/record.h), found in one walk. One object serves every record; what it says holds until the next
 * `read`. The enum of their source numbers the fields. Offsets are into the slab's bytes.
 */
export class SpanRecord {
  slab: Slab = { bytes: new Uint8Array(0), words: new Uint32Array(0) };
  /** Byte offset of the record. */
  start = 0;
  /** `enum uspan_span_flag`. */
  flags = 0;
  /** Bit by field: it was cut. */
  cut = 0;
  /** Bit by field: it could not be read. */
  unreadable = 0;
  readonly #at = new Uint32Array(Constant.MAX_FIELDS);
  readonly #length = new Uint32Array(Constant.MAX_FIELDS);
  /** Bit by field: the record has it, and the entries above are valid. */
  #present = 0;

  /** Finds the fields of the record at byte offset `start`. False if they do not fit the record's length. */
  read(slab: Slab, start: number): boolean {
    const { words } = slab;
    const bytes = words[(start + SpanHead.headLen) >> 2]!;
    if (bytes < SpanHead.size) return false;
    const end = start + bytes;
    this.slab = slab;
    this.start = start;
    this.flags = words[(start + SpanHead.spanFlags) >> 2]!;
    this.cut = 0;
    this.unreadable = 0;
    this.#present = 0;
    let at = start + SpanHead.size;
    while (at + FieldHead.size <= end) {
      const head = words[at >> 2]!;
      const field = head & 0xff;
      const length = head >>> 16;
      const marks = (head >>> 8) & 0xff;
      at += FieldHead.size;
      if (field >= Constant.MAX_FIELDS || at + length > end) return false;
      this.set(field, at, length);
      if (marks !== 0) {
        if (marks & FieldMark.UNREADABLE) this.unreadable |= 1 << field;
        if (marks & FieldMark.CUT) {
          this.cut |= 1 << field;
          this.#length[field] = wholeCharacters(slab.bytes, at, length);
        }
      }
      at += (length + 3) & ~3;
    }
    // The last field's padding may be left out.
    return at >= end;
  }

  has(field: number): boolean {
    return (this.#present & (1 << field)) !== 0;
  }

  /** Byte offset of a field. Undefined value if the record lacks it. */
  at(field: number): number {
    return this.#at[field]!;
  }

  /** Bytes of a field. 0 if the record lacks it. */
  length(field: number): number {
    return this.#present & (1 << field) ? this.#length[field]! : 0;
  }

  /** A field of 4 bytes as an unsigned number, or `absent` if the record lacks it. */
  number(field: number, absent = 0): number {
    return this.length(field) === 4 ? this.slab.words[this.#at[field]! >> 2]! : absent;
  }

  /** Makes a field a part of another one. */
  set(field: number, at: number, length: number): void {
    this.#present |= 1 << field;
    this.#at[field] = at;
    this.#length[field] = length;
  }
}

/** Length of a text that was cut at `length` bytes, without a character that it cut apart (RFC 3629 §3). */
function wholeCharacters(bytes: Uint8Array, at: number, length: number): number {
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[at + length - back]!;
    if (byte < 0x80) return length;
    if (byte < 0xc0) continue;
    const wanted = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf8 ? 4 : 1;
    return wanted > back ? length - back : length;
  }
  return length;
}
