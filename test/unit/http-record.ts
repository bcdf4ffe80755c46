/** Records as bpf/go/go_http.bpf.c sends them, made by hand. */
import type { Slab } from '../../src/contract/span.ts';
import { EventKind, HttpServerEvent, HttpText, SpanFlag } from '../../src/probes/layout.gen.ts';
import { putSpanHead, type SpanHeadValues, slabOf } from '../support/otlp-slab.ts';

export interface HttpRecord {
  readonly method?: string;
  readonly target?: string;
  readonly host?: string;
  readonly peer?: string;
  readonly userAgent?: string;
  readonly pattern?: string;
  readonly traceState?: string;
  readonly status?: number;
  readonly protoMinor?: number;
  /** `SpanFlag`s; CUT and UNREADABLE follow from the masks. */
  readonly flags?: number;
  /** Texts (`HttpText`) that are marked; what was unreadable has no bytes. */
  readonly cut?: readonly number[];
  readonly unreadable?: readonly number[];
  readonly head?: SpanHeadValues;
  readonly pid?: number;
  readonly probeId?: number;
  /** What the record says of its length instead of the truth. */
  readonly claimedBytes?: number;
}

/** One plain request: everything an ordinary one has. */
export const plain: HttpRecord = {
  method: 'GET',
  target: '/items/7',
  host: 'shop.test:8080',
  peer: '127.0.0.1:50123',
  userAgent: 'curl/8.5.0',
  status: 200,
};

/** The bytes of a record, padded to 8. Texts are latin1, so that any byte can be had. */
export function encodeRecord(record: HttpRecord): Uint8Array<ArrayBuffer> {
  const texts: string[] = [];
  texts[HttpText.METHOD] = record.method ?? '';
  texts[HttpText.TARGET] = record.target ?? '';
  texts[HttpText.HOST] = record.host ?? '';
  texts[HttpText.PEER] = record.peer ?? '';
  texts[HttpText.USER_AGENT] = record.userAgent ?? '';
  texts[HttpText.PATTERN] = record.pattern ?? '';
  texts[HttpText.TRACESTATE] = record.traceState ?? '';
  const cut = record.cut ?? [];
  const unreadable = record.unreadable ?? [];
  for (const text of unreadable) texts[text] = '';
  const flags =
    (record.flags ?? 0) | (cut.length > 0 ? SpanFlag.CUT : 0) | (unreadable.length > 0 ? SpanFlag.UNREADABLE : 0);
  // Method and target copied in one piece have a space between them.
  const pieces = texts.map((text, index) =>
    index === HttpText.METHOD && flags & SpanFlag.REQUEST_LINE ? `${text} ` : text,
  );
  const tail = Buffer.from(pieces.join(''), 'latin1');
  const length = HttpServerEvent.size + tail.length;
  const slab = slabOf(new Uint8Array((length + 7) & ~7));
  putSpanHead(slab, 0, record.head ?? {});
  const view = new DataView(slab.bytes.buffer);
  view.setUint32(HttpServerEvent.spanHeadPid, record.pid ?? 77, true);
  view.setUint32(HttpServerEvent.spanHeadTid, record.pid ?? 77, true);
  view.setUint32(HttpServerEvent.spanHeadLen, record.claimedBytes ?? length, true);
  view.setUint16(HttpServerEvent.spanHeadKind, EventKind.HTTP_SERVER, true);
  view.setUint16(HttpServerEvent.spanHeadProbeId, record.probeId ?? 0, true);
  view.setUint32(HttpServerEvent.spanSpanFlags, flags, true);
  view.setUint32(HttpServerEvent.status, record.status ?? 0, true);
  view.setUint8(HttpServerEvent.cutMask, maskOf(cut));
  view.setUint8(HttpServerEvent.unreadableMask, maskOf(unreadable));
  view.setUint8(HttpServerEvent.protoMajor, 1);
  view.setUint8(HttpServerEvent.protoMinor, record.protoMinor ?? 1);
  texts.forEach((text, index) => {
    view.setUint16(HttpServerEvent.textLen + 2 * index, text.length, true);
  });
  slab.bytes.set(tail, HttpServerEvent.size);
  return slab.bytes as Uint8Array<ArrayBuffer>;
}

/** A slab of records one after another, as drained; `length` is what they take. */
export function slabOfRecords(...records: readonly HttpRecord[]): { slab: Slab; length: number } {
  const bytes = Buffer.concat(records.map(encodeRecord));
  return { slab: slabOf(Uint8Array.from(bytes)), length: bytes.length };
}

function maskOf(texts: readonly number[]): number {
  return texts.reduce((mask, text) => mask | (1 << text), 0);
}
