import type { AttributeKey } from '../contract/attribute-key.ts';
import type { AttributeValue, Resource, Slab, SpanKind, StatusCode } from '../contract/span.ts';
import { spanHead } from '../contract/span-head.ts';
import type { ClockedSpanWriter } from './clocked-span-writer.ts';
import { maxNameBytes } from './otlp-span-writer.ts';
import type { SpanObject } from './span-object.ts';
import { cutUtf8, decodeUtf8, encodeUtf8 } from './utf8.ts';

/** Builds a SpanObject for each span and gives it to `onSpan`. It says the same as OtlpSpanWriter, at about ten times the cost. */
export class ObjectSpanWriter implements ClockedSpanWriter {
  readonly #onSpan: (span: SpanObject) => void;
  #offsetNs = 0n;
  #head: Pick<SpanObject, 'traceId' | 'spanId' | 'parentSpanId' | 'startUnixNs' | 'endUnixNs' | 'flags'> | undefined;
  #resource: Resource = { attributes: {} };
  #kind: SpanKind = 1;
  #name = '';
  #traceState = '';
  #attributes: Record<string, AttributeValue> = {};
  #status: SpanObject['status'] = { code: 0, message: '' };

  constructor(onSpan: (span: SpanObject) => void) {
    this.#onSpan = onSpan;
  }

  setClockOffsetNs(offsetNs: bigint): void {
    this.#offsetNs = offsetNs;
  }

  begin(slab: Slab, at: number, resource: Resource, kind: SpanKind): void {
    const startKtimeNs = u64(slab, at + spanHead.startKtimeNs);
    let endKtimeNs = u64(slab, at + spanHead.endKtimeNs);
    if (endKtimeNs < startKtimeNs) endKtimeNs = startKtimeNs;
    const parentSpanId = hex(slab, at + spanHead.parentSpanId, 8);
    this.#head = {
      traceId: hex(slab, at + spanHead.traceId, 16),
      spanId: hex(slab, at + spanHead.spanId, 8),
      parentSpanId: parentSpanId === '0000000000000000' ? undefined : parentSpanId,
      startUnixNs: BigInt.asUintN(64, startKtimeNs + this.#offsetNs),
      endUnixNs: BigInt.asUintN(64, endKtimeNs + this.#offsetNs),
      flags: slab.words[(at + spanHead.traceFlags) >>> 2]!,
    };
    this.#resource = resource;
    this.#kind = kind;
    this.#name = '';
    this.#traceState = '';
    this.#attributes = {};
    this.#status = { code: 0, message: '' };
  }

  nameText(text: string): void {
    this.#name += text.toWellFormed();
  }

  nameBytes(slab: Slab, from: number, length: number): void {
    this.#name += decodeUtf8(slab.bytes, from, length);
  }

  traceState(slab: Slab, from: number, length: number): void {
    this.#traceState = decodeUtf8(slab.bytes, from, length);
  }

  text(key: AttributeKey, value: string): void {
    this.#attributes[key.text] = value.toWellFormed();
  }

  bytes(key: AttributeKey, slab: Slab, from: number, length: number): void {
    this.#attributes[key.text] = decodeUtf8(slab.bytes, from, length);
  }

  int(key: AttributeKey, value: number): void {
    this.#attributes[key.text] = value;
  }

  double(key: AttributeKey, value: number): void {
    this.#attributes[key.text] = value;
  }

  bool(key: AttributeKey, value: boolean): void {
    this.#attributes[key.text] = value;
  }

  status(code: StatusCode, message = ''): void {
    this.#status = { code, message: message.toWellFormed() };
  }

  end(): void {
    const head = this.#head;
    if (head === undefined) return;
    this.#head = undefined;
    this.#onSpan({
      ...head,
      name: cutName(this.#name),
      kind: this.#kind,
      attributes: this.#attributes,
      status: this.#status,
      traceState: this.#traceState,
      resource: this.#resource,
    });
  }
}

function u64({ words }: Slab, at: number): bigint {
  return (BigInt(words[(at + 4) >>> 2]!) << 32n) | BigInt(words[at >>> 2]!);
}

function hex({ bytes }: Slab, at: number, length: number): string {
  let text = '';
  for (let i = at; i < at + length; i++) text += bytes[i]!.toString(16).padStart(2, '0');
  return text;
}

/** The OTLP writer cuts at the same length. */
function cutName(name: string): string {
  if (name.length * 3 <= maxNameBytes) return name;
  const utf8 = encodeUtf8(name);
  return utf8.length <= maxNameBytes ? name : decodeUtf8(utf8, 0, cutUtf8(utf8, 0, maxNameBytes));
}
