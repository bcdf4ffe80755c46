import type { Slab } from '../contract/span.ts';
import type { SqlDialect } from './scanner.ts';
import { readSql, type SqlStatement } from './text.ts';

interface Entry {
  /** The statement's bytes, and its whole words. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly dialect: SqlDialect;
  readonly cut: boolean;
  readonly statement: SqlStatement;
}

/**
 * Statements by their bytes, because programs run the same few again and again. It has two generations, so that statements in use outlive
 * the others, at the cost of one map look-up. When the young generation is full, it becomes the old one.
 */
export class SqlCache {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  #young = new Map<number, Entry>();
  #old = new Map<number, Entry>();
  #youngBytes = 0;

  /** The bounds are those of a generation. `maxBytes` counts the statements as they came. */
  constructor(maxEntries = 2048, maxBytes = 2 << 20) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
  }

  /** The result of {@link readSql} for `length` bytes at `from`. */
  read(slab: Slab, from: number, length: number, dialect: SqlDialect, cut: boolean): SqlStatement {
    const hash = hashOf(slab, from, length);
    const young = this.#young.get(hash);
    if (young && isOf(young, slab, from, length, dialect, cut)) return young.statement;
    const old = this.#old.get(hash);
    const entry =
      old && isOf(old, slab, from, length, dialect, cut) ? old : makeEntry(slab, from, length, dialect, cut);
    this.#keep(hash, entry);
    return entry.statement;
  }

  #keep(hash: number, entry: Entry): void {
    if (this.#young.size >= this.#maxEntries || this.#youngBytes + entry.bytes.length > this.#maxBytes) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(hash, entry);
    this.#youngBytes += entry.bytes.length;
  }
}

function makeEntry(slab: Slab, from: number, length: number, dialect: SqlDialect, cut: boolean): Entry {
  const bytes = slab.bytes.slice(from, from + length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  return { bytes, words, dialect, cut, statement: readSql(bytes, 0, length, dialect, cut) };
}

function isOf(entry: Entry, slab: Slab, from: number, length: number, dialect: SqlDialect, cut: boolean): boolean {
  const { bytes, words } = entry;
  if (bytes.length !== length || entry.dialect !== dialect || entry.cut !== cut) return false;
  let i = 0;
  if (from % 4 === 0) {
    const first = from >> 2;
    for (let word = 0; word < words.length; word++) if (words[word] !== slab.words[first + word]) return false;
    i = words.length << 2;
  }
  for (; i < length; i++) if (bytes[i] !== slab.bytes[from + i]) return false;
  return true;
}

/** Takes four bytes in each step if the text starts at a word, as the first text of a record does. */
function hashOf({ bytes, words }: Slab, from: number, length: number): number {
  let hash = length;
  let at = from;
  const end = from + length;
  if (from % 4 === 0) {
    for (; at + 4 <= end; at += 4) hash = mix(hash, words[at >> 2]!);
  }
  for (; at < end; at++) hash = mix(hash, bytes[at]!);
  return hash;
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
