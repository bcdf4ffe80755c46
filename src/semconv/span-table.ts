/** A definition's spans as a table: field → attribute. */
import { attributeKey } from '../contract/attribute-key.ts';
import type { Written } from '../contract/decision.ts';
import type { Resource, Slab, SpanKind, SpanWriter } from '../contract/span.ts';
import { Constant } from '../probes/layout.gen.ts';
import { SpanRecord } from '../probes/span-record.ts';

/** Writes what a field says. It is called only for fields that the record has. */
export type FieldCodec = (record: SpanRecord, field: number, out: SpanWriter) => void;

export interface SpanTable {
  readonly kind: SpanKind;
  readonly written: 'server' | 'client' | 'internal';
  /** Splits what came in one piece, or refuses the record. */
  readonly prepare?: (record: SpanRecord) => Written | undefined;
  /** Writes the name: at least one piece. */
  readonly name: (record: SpanRecord, out: SpanWriter) => void;
  /** By field: the attribute's name, which marks use, and its codec. `name` or `end` reads a field without a codec. */
  readonly fields: Readonly<Record<number, readonly [attribute: string, codec?: FieldCodec]>>;
  /** Writes what several fields together say: status, error, and what is not in the record. */
  readonly end?: (record: SpanRecord, out: SpanWriter) => void;
}

const truncated = attributeKey('uspan.truncated');
const unreadable = attributeKey('uspan.unreadable');

/** A text, unchanged, as a string attribute. */
export function text(attribute: string): [string, FieldCodec] {
  const key = attributeKey(attribute);
  return [attribute, (record, field, out) => out.bytes(key, record.slab, record.at(field), record.length(field))];
}

/** A number of 4 bytes, as an integer attribute. */
export function number(attribute: string): [string, FieldCodec] {
  const key = attributeKey(attribute);
  return [attribute, (record, field, out) => out.int(key, record.number(field))];
}

/** The `write` of a definition whose records `table` describes. */
export function spanWriter(table: SpanTable): (slab: Slab, at: number, resource: Resource, out: SpanWriter) => Written {
  const record = new SpanRecord();
  const fields = Object.keys(table.fields).map(Number);
  const coded = fields.filter((field) => table.fields[field]![1] !== undefined);
  const codecs = coded.map((field) => table.fields[field]![1]!);
  const told = fields.reduce((bits, field) => bits | (1 << field), 0);
  const marked = (bits: number) => {
    const names = fields.filter((field) => bits & (1 << field)).map((field) => table.fields[field]![0]);
    return [...new Set(names)].join(',');
  };
  if (fields.some((field) => field >= Constant.MAX_FIELDS)) throw new RangeError('a field has too high a number');
  return (slab, at, resource, out) => {
    if (!record.read(slab, at)) return 'malformed';
    const refused = table.prepare?.(record);
    if (refused !== undefined) return refused;
    out.begin(slab, at, resource, table.kind);
    table.name(record, out);
    for (let i = 0; i < coded.length; i++) {
      const field = coded[i]!;
      if (record.length(field) > 0) codecs[i]!(record, field, out);
    }
    table.end?.(record, out);
    // Marks of fields that are not in the table say nothing, because these fields are not exported.
    if (record.cut & told) out.text(truncated, marked(record.cut));
    if (record.unreadable & told) out.text(unreadable, marked(record.unreadable));
    out.end();
    return table.written;
  };
}
