import type { AttributeKey } from '../contract/attribute-key.ts';
import type { Resource, Slab, SpanKind, StatusCode } from '../contract/span.ts';
import type { ClockedSpanWriter } from './clocked-span-writer.ts';

/** Writes every span into two writers, for example OTLP and the console. */
export class TeeSpanWriter implements ClockedSpanWriter {
  readonly #first: ClockedSpanWriter;
  readonly #second: ClockedSpanWriter;

  constructor(first: ClockedSpanWriter, second: ClockedSpanWriter) {
    this.#first = first;
    this.#second = second;
  }

  setClockOffsetNs(offsetNs: bigint): void {
    this.#first.setClockOffsetNs(offsetNs);
    this.#second.setClockOffsetNs(offsetNs);
  }

  begin(slab: Slab, at: number, resource: Resource, kind: SpanKind): void {
    this.#first.begin(slab, at, resource, kind);
    this.#second.begin(slab, at, resource, kind);
  }

  nameText(text: string): void {
    this.#first.nameText(text);
    this.#second.nameText(text);
  }

  nameBytes(slab: Slab, from: number, length: number): void {
    this.#first.nameBytes(slab, from, length);
    this.#second.nameBytes(slab, from, length);
  }

  traceState(slab: Slab, from: number, length: number): void {
    this.#first.traceState(slab, from, length);
    this.#second.traceState(slab, from, length);
  }

  text(key: AttributeKey, value: string): void {
    this.#first.text(key, value);
    this.#second.text(key, value);
  }

  bytes(key: AttributeKey, slab: Slab, from: number, length: number): void {
    this.#first.bytes(key, slab, from, length);
    this.#second.bytes(key, slab, from, length);
  }

  int(key: AttributeKey, value: number): void {
    this.#first.int(key, value);
    this.#second.int(key, value);
  }

  double(key: AttributeKey, value: number): void {
    this.#first.double(key, value);
    this.#second.double(key, value);
  }

  bool(key: AttributeKey, value: boolean): void {
    this.#first.bool(key, value);
    this.#second.bool(key, value);
  }

  status(code: StatusCode, message?: string): void {
    this.#first.status(code, message);
    this.#second.status(code, message);
  }

  end(): void {
    this.#first.end();
    this.#second.end();
  }
}
