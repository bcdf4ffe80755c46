/** Records as bpf/go/go_http.bpf.c sends them, made by hand. */
import type { Slab } from '../../src/contract/span.ts';
import { EventKind, HttpServerField as Field } from '../../src/probes/layout.gen.ts';
import { type SpanHeadValues, slabOf } from '../support/otlp-slab.ts';
import { encodeSpanRecord, type RecordField } from '../support/span-record.ts';

export interface HttpRecord {
  readonly method?: string;
  readonly target?: string;
  readonly host?: string;
  readonly peer?: string;
  readonly userAgent?: string;
  readonly pattern?: string;
  readonly traceState?: string;
  readonly moreTraceState?: string;
  readonly status?: number;
  readonly protoMinor?: number;
  /** `SpanFlag`s. */
  readonly flags?: number;
  /** Method and target as they are in a request line. */
  readonly inOnePiece?: boolean;
  /** Fields (`HttpServerField`) with marks. An unreadable one has no bytes. */
  readonly cut?: readonly number[];
  readonly unreadable?: readonly number[];
  readonly head?: SpanHeadValues;
  readonly pid?: number;
  readonly probeId?: number;
  /** The length that the record claims, in place of the true one. */
  readonly claimedBytes?: number;
}

/** One plain request, with everything that an ordinary one has. */
export const plain: HttpRecord = {
  method: 'GET',
  target: '/items/7',
  host: 'shop.test:8080',
  peer: '127.0.0.1:50123',
  userAgent: 'curl/8.5.0',
  status: 200,
};

/** The bytes of a record, padded to 8. Texts are latin1, so that they can have any byte. */
export function encodeRecord(record: HttpRecord): Uint8Array<ArrayBuffer> {
  const { cut = [], unreadable = [] } = record;
  const marked = (field: number, text: string | undefined): RecordField[] =>
    text || cut.includes(field) || unreadable.includes(field)
      ? [{ field, value: text ?? '', cut: cut.includes(field), unreadable: unreadable.includes(field) }]
      : [];
  // Method and target that were copied in one piece have a space between them.
  const line = record.inOnePiece
    ? marked(Field.REQUEST_LINE, `${record.method} ${record.target}`)
    : [...marked(Field.METHOD, record.method), ...marked(Field.TARGET, record.target)];
  return encodeSpanRecord({
    ...record,
    kind: EventKind.HTTP_SERVER,
    fields: [
      ...marked(Field.PEER, record.peer),
      ...line,
      ...marked(Field.HOST, record.host),
      ...marked(Field.USER_AGENT, record.userAgent),
      ...marked(Field.TRACESTATE, record.traceState),
      ...marked(Field.TRACESTATE_MORE, record.moreTraceState),
      { field: Field.PROTOCOL, value: 256 + (record.protoMinor ?? 1) },
      { field: Field.STATUS, value: record.status ?? 0 },
      ...marked(Field.PATTERN, record.pattern),
    ],
  });
}

/** A slab of records, one after another, as drained. `length` is their size. */
export function slabOfRecords(...records: readonly HttpRecord[]): { slab: Slab; length: number } {
  const bytes = Buffer.concat(records.map(encodeRecord));
  return { slab: slabOf(Uint8Array.from(bytes)), length: bytes.length };
}
