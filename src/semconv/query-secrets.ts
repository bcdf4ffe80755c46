/**
 * Finds secrets in queries, byte by byte: most queries have none, and then nothing is made. Keys match in any case, also with
 * percent-encoding, and also as a part of a key with brackets (`user[password]=`).
 */
import { usualSecretKeys } from '../contract/secret-keys.ts';

const ampersand = 0x26;
const semicolon = 0x3b;
const equals = 0x3d;
const percent = 0x25;
const open = 0x5b;
const close = 0x5d;

interface SecretKey {
  /** In small letters. */
  readonly bytes: Uint8Array;
  /** Whether anything may follow. */
  readonly begins: boolean;
}

let keys: readonly SecretKey[] = [];
/** By the first byte of a key as it stands in the query: whether it can begin one of them. */
const firsts = new Uint8Array(256);

redactQueryKeys(usualSecretKeys);

/** Sets what is redacted from now on. @param names keys, of which a `*` at the end stands for anything */
export function redactQueryKeys(names: readonly string[]): void {
  keys = names.map((name) => {
    const begins = name.endsWith('*');
    return { bytes: Buffer.from((begins ? name.slice(0, -1) : name).toLowerCase()), begins };
  });
  firsts.fill(0);
  for (const { bytes } of keys) {
    for (let byte = 0; byte < 256; byte++) if (bytes.length === 0 || lower(byte) === bytes[0]) firsts[byte] = 1;
  }
  if (keys.length > 0) firsts[percent] = 1;
}

/** Whether a query has a value that must be redacted. */
export function hasSecret(bytes: Uint8Array, from: number, to: number): boolean {
  return secretValue(bytes, from, to) >= 0;
}

/** The query as text, with `REDACTED` for secrets. */
export function redactedQuery(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  let at = from;
  for (let value = secretValue(bytes, at, to); value >= 0; value = secretValue(bytes, at, to)) {
    text += `${decoder.decode(bytes.subarray(at, value))}REDACTED`;
    at = value;
    while (at < to && bytes[at] !== ampersand) at++;
  }
  return text + decoder.decode(bytes.subarray(at, to));
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Where the first secret value begins, behind its `=`. −1: there is none. `from` is where a key begins, or a `&`. */
function secretValue(bytes: Uint8Array, from: number, to: number): number {
  let inKey = true;
  let begins = true;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte === ampersand || byte === semicolon) {
      inKey = begins = true;
      continue;
    }
    if (!inKey) continue;
    if (begins && firsts[byte] === 1 && isSecretKey(bytes, at, to)) {
      const value = valueStart(bytes, at, to);
      if (value >= 0) return value;
    }
    begins = byte === open || isEncoded(bytes, at - 2, from, to, open);
    if (byte === equals) inKey = false;
  }
  return -1;
}

/** The position behind the `=` of the key at `at`, or −1. */
function valueStart(bytes: Uint8Array, at: number, to: number): number {
  let end = at;
  while (end < to && bytes[end] !== equals && bytes[end] !== ampersand) end++;
  return end < to && bytes[end] === equals ? end + 1 : -1;
}

function isSecretKey(bytes: Uint8Array, from: number, to: number): boolean {
  for (const key of keys) if (isKey(bytes, from, to, key)) return true;
  return false;
}

function isKey(bytes: Uint8Array, from: number, to: number, key: SecretKey): boolean {
  let at = from;
  for (const wanted of key.bytes) {
    if (at >= to || lower(decodedByte(bytes, at, to)) !== wanted) return false;
    at += isEscape(bytes, at, to) ? 3 : 1;
  }
  if (key.begins) return true;
  if (at >= to) return false;
  const next = decodedByte(bytes, at, to);
  // An encoded `=` belongs to the key.
  return bytes[at] === equals || next === open || next === close;
}

function isEncoded(bytes: Uint8Array, at: number, from: number, to: number, byte: number): boolean {
  return at >= from && bytes[at] === percent && decodedByte(bytes, at, to) === byte;
}

function decodedByte(bytes: Uint8Array, at: number, to: number): number {
  return isEscape(bytes, at, to) ? hexDigit(bytes[at + 1]!) * 16 + hexDigit(bytes[at + 2]!) : bytes[at]!;
}

function isEscape(bytes: Uint8Array, at: number, to: number): boolean {
  return at + 2 < to && bytes[at] === percent && hexDigit(bytes[at + 1]!) >= 0 && hexDigit(bytes[at + 2]!) >= 0;
}

/** −1 if it is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = lower(byte) - 0x61;
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
