import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ProbeDefinition } from '../../src/contract/decision.ts';
import type { Resource } from '../../src/contract/span.ts';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import type { EncodedSpans } from '../../src/otel/encoded-spans.ts';
import { ExportRequestBuilder } from '../../src/otel/export-request.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import { OtlpSpanWriter } from '../../src/otel/otlp-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { TeeSpanWriter } from '../../src/otel/tee-span-writer.ts';
import { Correlator } from '../../src/probes/correlate.ts';
import { goHttpServer } from '../../src/probes/definitions/go/http-server.ts';
import { EventHead, EventKind, FieldHead, SpanHead } from '../../src/probes/layout.gen.ts';
import { ProbeTable } from '../../src/probes/probe-table.ts';
import { otherProcess, unknownProgram } from '../../src/probes/process-table.ts';
import { newSlab } from '../../src/probes/slab.ts';
import { randomFrom } from '../fuzz/random.ts';
import { decodeExportRequest } from '../support/otlp-decode.ts';
import { slabOf } from '../support/otlp-slab.ts';
import { plain, slabOfRecords } from './http-record.ts';

const shop: Resource = { attributes: { 'service.name': 'shop' } };
const cart: Resource = { attributes: { 'service.name': 'cart' } };

let spans: SpanObject[];
let lost: [stage: string, reason: string, count: number][];
let asked: number[];
let threw: [definition: string, error: unknown][];

beforeEach(() => {
  spans = [];
  lost = [];
  asked = [];
  threw = [];
});

/** Every attachment id but 999 is this definition's. */
function tableOf(definition: ProbeDefinition): ProbeTable {
  const table = new ProbeTable();
  const binary = { key: 'k', path: '/bin/shop', runtime: 'go', go: undefined } as const;
  for (let id = 0; id < 1 << 16; id++) if (id !== 999) table.set(id, definition, binary);
  return table;
}

const probes = tableOf(goHttpServer);

function correlator(resources: Readonly<Record<number, Resource>> = { 77: shop, 78: cart }): Correlator {
  return new Correlator({
    probes,
    processes: {
      resourceOf: (pid) => {
        asked.push(pid);
        return resources[pid];
      },
    },
    writer: new ObjectSpanWriter((span) => spans.push(span)),
    lose: (...loss) => lost.push(loss),
    onWriteError: ({ name }, error) => threw.push([name, error]),
  });
}

test('each record becomes a span of its process', () => {
  const { slab, length } = slabOfRecords(plain, { ...plain, method: 'POST', pid: 78 }, { ...plain, method: 'PUT' });
  const subject = correlator();
  subject.write(slab, length);
  expect(spans.map(({ name, resource }) => [name, resource])).toEqual([
    ['GET', shop],
    ['POST', cart],
    ['PUT', shop],
  ]);
  expect(subject.spans.server).toBe(3);
  expect(lost).toEqual([]);
});

test('a record of a process nobody knows is counted, the others go on', () => {
  const { slab, length } = slabOfRecords(plain, { ...plain, pid: 99 }, plain);
  const subject = correlator();
  subject.write(slab, length);
  expect(asked).toEqual([77, 99, 77]);
  expect(spans).toHaveLength(2);
  expect(subject.spans.server).toBe(2);
  expect(lost).toEqual([['correlate', 'unknown_process', 1]]);
});

test('a record of a probe nobody knows is counted, and its process is not looked up', () => {
  const { slab, length } = slabOfRecords({ ...plain, probeId: 999 }, plain);
  correlator().write(slab, length);
  expect(spans).toHaveLength(1);
  expect(asked).toEqual([77]);
  expect(lost).toEqual([['decode', 'unknown_probe', 1]]);
});

test('a record that contradicts itself is counted, the next is fine', () => {
  const { slab, length } = slabOfRecords(plain, plain);
  slab.bytes[SpanHead.size + FieldHead.len + 1] = 0xff;
  const subject = correlator();
  subject.write(slab, length);
  expect(spans).toHaveLength(1);
  expect(subject.spans.server).toBe(1);
  expect(lost).toEqual([['decode', 'malformed_record', 1]]);
});

test('a record of a kind that its definition does not make is counted, and its process is not looked up', () => {
  const { slab, length } = slabOfRecords(plain, plain);
  slab.bytes[EventHead.kind] = EventKind.SQL;
  correlator().write(slab, length);
  expect(spans).toHaveLength(1);
  expect(asked).toEqual([77]);
  expect(lost).toEqual([['decode', 'wrong_kind', 1]]);
});

test.each([31, 32, 33, 0x8001, 0xffff])('kind %i of a record', (kind) => {
  const { slab, length } = slabOfRecords(plain);
  new DataView(slab.bytes.buffer).setUint16(EventHead.kind, kind, true);
  correlator().write(slab, length);
  expect(lost).toEqual([['decode', 'wrong_kind', 1]]);
});

test('an exception in a write costs that record, in both writers; it is told once', () => {
  const error = new Error('a fault');
  let written = 0;
  const faulty: ProbeDefinition = {
    ...goHttpServer,
    name: 'faulty',
    write(recordSlab, at, resource, out) {
      if (written++ % 2 === 1) return goHttpServer.write(recordSlab, at, resource, out);
      out.begin(recordSlab, at, resource, SpanKind.client);
      out.nameText('half of it');
      throw error;
    },
  };
  const encoded: EncodedSpans[] = [];
  const limits = { maxBatchSpans: 1000, maxBatchBytes: 1 << 20, maxOpenBytes: 1 << 20 };
  const otlp = new OtlpSpanWriter((batch) => void encoded.push(batch), limits);
  const subject = new Correlator({
    probes: tableOf(faulty),
    processes: { resourceOf: () => shop },
    writer: new TeeSpanWriter(otlp, new ObjectSpanWriter((span) => spans.push(span))),
    lose: (...loss) => lost.push(loss),
    onWriteError: ({ name }, cause) => threw.push([name, cause]),
  });
  const { slab, length } = slabOfRecords(plain, plain, plain, { ...plain, method: 'PUT' });
  subject.write(slab, length);
  otlp.flush();
  const request = new ExportRequestBuilder({ name: 'uspan', version: '0', schemaUrl: '' }).build(encoded);
  expect(spans.map(({ name }) => name)).toEqual(['GET', 'PUT']);
  expect(decodeExportRequest(request.bytes).map(({ name }) => name)).toEqual(['GET', 'PUT']);
  expect(subject.spans).toEqual({ server: 2, client: 0, internal: 0 });
  expect(lost).toEqual([
    ['decode', 'write_failed', 1],
    ['decode', 'write_failed', 1],
  ]);
  expect(threw).toEqual([['faulty', error]]);
});

test('an exception while a process is identified costs that record', () => {
  const { slab, length } = slabOfRecords(plain, { ...plain, pid: 78 }, plain);
  const error = new Error('no more descriptors');
  const subject = new Correlator({
    probes,
    processes: {
      resourceOf(pid) {
        if (pid === 78) throw error;
        return shop;
      },
    },
    writer: new ObjectSpanWriter((span) => spans.push(span)),
    lose: (...loss) => lost.push(loss),
    onWriteError: ({ name }, cause) => threw.push([name, cause]),
  });
  subject.write(slab, length);
  expect(spans).toHaveLength(2);
  expect(lost).toEqual([['decode', 'write_failed', 1]]);
  expect(threw).toEqual([[goHttpServer.name, error]]);
});

test('records of a process that no rule selects are neither spans nor losses', () => {
  const { slab, length } = slabOfRecords(plain, { ...plain, pid: 78 }, plain);
  const subject = correlator({ 77: otherProcess, 78: cart });
  subject.write(slab, length);
  expect(spans.map(({ resource }) => resource)).toEqual([cart]);
  expect([subject.otherProcesses, subject.spans.server]).toEqual([2, 1]);
  expect(lost).toEqual([]);
});

test('a span that is of no program for sure is counted', () => {
  const { slab, length } = slabOfRecords(plain, { ...plain, pid: 78 });
  correlator({ 77: unknownProgram, 78: cart }).write(slab, length);
  expect(spans.map(({ resource }) => resource)).toEqual([cart]);
  expect(lost).toEqual([['correlate', 'unknown_program', 1]]);
});

test("the agent's own export to a collector that is traced is neither a span nor a loss", () => {
  const own = { ...plain, method: 'POST', target: '/v1/traces', userAgent: 'uspan/0.1.0' };
  const { slab, length } = slabOfRecords(own, plain, own);
  const subject = correlator();
  subject.write(slab, length);
  expect(spans).toHaveLength(1);
  expect([subject.spans.server, subject.ownExports]).toEqual([1, 2]);
  expect(lost).toEqual([]);
});

test('what is no record is counted once', () => {
  const { slab, length } = slabOfRecords(plain, { ...plain, claimedBytes: 0 }, plain);
  correlator().write(slab, length);
  expect(spans).toHaveLength(1);
  expect(lost).toEqual([['decode', 'malformed_record', 1]]);
});

test('any bytes whatever in the records: every one is a span or counted, in both writers', () => {
  const slab = newSlab(1 << 14);
  const totals = { spans: 0, lost: 0 };
  for (let seed = 1; seed <= 150; seed++) {
    const random = randomFrom(seed);
    for (let i = 0; i < slab.words.length; i++) slab.words[i] = random.below(2 ** 32);
    let records = 0;
    let at = 0;
    // The heads are right, everything else is wild: lengths of texts are sometimes small enough to fit.
    for (;;) {
      const length = EventHead.size + random.below(600);
      if (at + length > slab.bytes.length) break;
      slab.words[(at + EventHead.len) >> 2] = length;
      slab.words[(at + EventHead.kind) >> 2] = random.below(4);
      slab.words[(at + EventHead.pid) >> 2] = 77;
      if (random.below(2)) {
        for (let field = at + SpanHead.size; field + FieldHead.size <= at + length; ) {
          const left = at + length - field - FieldHead.size;
          const bytes = Math.min(random.below(60), left);
          slab.bytes[field + FieldHead.field] = random.below(12);
          slab.bytes[field + FieldHead.marks] = random.below(4);
          slab.bytes[field + FieldHead.len] = bytes;
          slab.bytes[field + FieldHead.len + 1] = 0;
          field += FieldHead.size + ((bytes + 3) & ~3);
        }
      }
      at += (length + 7) & ~7;
      records++;
    }
    const encoded: EncodedSpans[] = [];
    let objects = 0;
    let losses = 0;
    const otlp = new OtlpSpanWriter((batch) => void encoded.push(batch), {
      maxBatchSpans: 1000,
      maxBatchBytes: 1 << 20,
      maxOpenBytes: 1 << 20,
    });
    const subject = new Correlator({
      probes,
      processes: { resourceOf: () => shop },
      writer: new TeeSpanWriter(otlp, new ObjectSpanWriter(() => objects++)),
      lose: (_stage, _reason, count) => {
        losses += count;
      },
      onWriteError: (_, error) => expect.fail(String(error)),
    });
    subject.write(slab, at);
    otlp.flush();
    expect(objects + losses + subject.ownExports).toBe(records);
    expect(encoded.reduce((sum, { spans: count }) => sum + count, 0)).toBe(objects);
    totals.spans += objects;
    totals.lost += losses;
  }
  expect(totals.spans).toBeGreaterThan(100);
  expect(totals.lost).toBeGreaterThan(100);
});

describe('records of a real run (test/fixtures/slabs/record.ts), without root and kernel', () => {
  const spansOfRun = () => {
    const bytes = Uint8Array.from(readFileSync(new URL('../fixtures/slabs/go-http.bin', import.meta.url)));
    const pid = new DataView(bytes.buffer).getUint32(EventHead.pid, true);
    correlator({ [pid]: shop }).write(slabOf(bytes), bytes.length);
    expect(lost).toEqual([]);
    return spans;
  };

  test('are the requests that were sent', () => {
    const summary = spansOfRun().map(({ name, status, attributes }) => [
      name,
      attributes['url.path'],
      attributes['http.response.status_code'],
      attributes['error.type'],
      status.code,
    ]);
    const { unset, error } = StatusCode;
    expect(summary).toEqual([
      ['GET /items/{id}', '/items/7', 200, undefined, unset],
      ['POST /echo', '/echo', 200, undefined, unset],
      ['GET /status/{code}', '/status/503', 503, '503', error],
      ['GET /none', '/none', 200, undefined, unset],
      ['HTTP /hello', '/hello', 200, undefined, unset],
      ['GET /files/{path...}', `/files/${'x'.repeat(1024 - '/files/'.length)}`, 200, undefined, unset],
      ['GET /hello', '/hello', 200, undefined, unset],
      ['GET /panic', '/panic', undefined, 'panic', error],
      ['GET /abort', '/abort', undefined, 'panic', error],
      ['GET /hijack', '/hijack', undefined, undefined, unset],
      ['GET /gate', '/gate', 200, 'aborted', error],
    ]);
  });

  test('have what the requests had', () => {
    const [items, echo, , old, brewed, long, tls] = spansOfRun();
    expect(items).toMatchObject({
      kind: SpanKind.server,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      traceState: 'vendor=1,other=2',
      flags: 0x301,
      attributes: {
        'url.query': 'full=1&sig=REDACTED',
        'url.scheme': 'http',
        'server.address': 'shop.test',
        'server.port': 8080,
        'client.address': '127.0.0.1',
        'network.protocol.version': '1.1',
        'user_agent.original': 'recorder/1',
      },
    });
    expect(echo).toMatchObject({ parentSpanId: undefined, flags: 0x101, traceState: '' });
    expect(old?.attributes).toMatchObject({ 'network.protocol.version': '1.0' });
    expect(old?.attributes).not.toHaveProperty('server.address');
    // The authority of an absolute target wins over the Host header (RFC 9112 §3.2.2).
    expect(brewed?.attributes).toMatchObject({
      'http.request.method': '_OTHER',
      'http.request.method_original': 'BREW',
      'server.address': 'shop.test',
    });
    expect(long?.attributes).toMatchObject({
      'uspan.truncated': 'url,user_agent.original',
      'user_agent.original': 'u'.repeat(512),
    });
    expect(tls?.attributes).toMatchObject({ 'url.scheme': 'https' });
  });

  test('have ids of their own, and ends after their starts', () => {
    const run = spansOfRun();
    expect(new Set(run.map(({ spanId }) => spanId)).size).toBe(run.length);
    expect(new Set(run.map(({ traceId }) => traceId)).size).toBe(run.length);
    for (const { startUnixNs, endUnixNs } of run) expect(endUnixNs).toBeGreaterThan(startUnixNs);
    const starts = run.map(({ startUnixNs }) => startUnixNs);
    expect(starts).toEqual([...starts].sort((a, b) => Number(a - b)));
  });
});
