import { expect, test, vi } from 'vitest';
import { printable } from '../../src/contract/printable.ts';
import { spanTreeOutput } from '../../src/otel/console-output.ts';
import { formatDuration } from '../../src/otel/format-duration.ts';
import { jsonLinesOutput } from '../../src/otel/json-output.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { coloursOf } from '../../src/settings/colours.ts';

const startUnixNs = 1_700_000_000_000_000_000n;

function span(id: number, more: Partial<SpanObject> & { parent?: number; service?: string } = {}): SpanObject {
  const { parent, service = 'shop', ...values } = more;
  const hex = (n: number): string => n.toString(16).padStart(16, '0');
  return {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: hex(id),
    parentSpanId: parent === undefined ? undefined : hex(parent),
    name: `span ${id}`,
    kind: 2,
    startUnixNs: startUnixNs + BigInt(id) * 1000n,
    endUnixNs: startUnixNs + BigInt(id) * 1000n + 12_400_000n,
    attributes: {},
    status: { code: 0, message: '' },
    flags: 1,
    traceState: '',
    resource: { attributes: { 'service.name': service } },
    ...values,
  };
}

function shown(spans: readonly SpanObject[], stream: { isTTY?: boolean; columns?: number } = {}): string[] {
  const written: string[] = [];
  const output = spanTreeOutput({ ...stream, write: (text) => written.push(text) }, coloursOf(stream));
  for (const each of spans) output.add(each);
  output.flush();
  return written.join('').split('\n').slice(0, -1);
}

test('a trace is a tree, whatever the order its spans came in', () => {
  const lines = shown([
    span(4, { parent: 2, name: 'SELECT', kind: 3, attributes: { 'db.query.text': 'SELECT ?' } }),
    span(3, { parent: 1, name: 'later' }),
    span(2, { parent: 1, name: 'POST /cart', service: 'cart', attributes: { 'http.response.status_code': 201 } }),
    span(1, { parent: 99, name: 'GET /' }),
  ]);
  expect(lines.map((line) => line.slice(12))).toEqual([
    '  shop          GET /                               server     12.4 ms',
    '  cart          ├─ POST /cart                       server     12.4 ms  201',
    '  shop          │  └─ SELECT                        client     12.4 ms  SELECT ?',
    '  shop          └─ later                            server     12.4 ms',
  ]);
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.000 /);
  expect(lines[1]).toMatch(/^ {12} /);
});

test('errors say why, in red on a terminal and without any escape elsewhere', () => {
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'xterm');
  const failed = span(1, {
    status: { code: 2, message: 'cart is full' },
    attributes: { 'http.response.status_code': 503 },
  });
  expect(shown([failed], { isTTY: true, columns: 100 })[0]).toContain('\x1b[31m✗ cart is full');
  expect(shown([failed])[0]).toMatch(/503 {2}✗ cart is full$/);
  expect(shown([failed])[0]).not.toContain('\x1b');
  vi.stubEnv('NO_COLOR', '1');
  expect(shown([failed], { isTTY: true })[0]).not.toContain('\x1b');
  vi.unstubAllEnvs();
});

test('lines fit the terminal', () => {
  vi.stubEnv('NO_COLOR', '1');
  const long = span(1, { attributes: { 'url.path': `/${'a'.repeat(300)}` }, status: { code: 2, message: 'no' } });
  for (const columns of [90, 120])
    expect(shown([long], { isTTY: true, columns })[0]!.length).toBeLessThanOrEqual(columns);
  vi.unstubAllEnvs();
});

test('a circle of parents, a span that is its own parent and the same id twice are each shown once', () => {
  const lines = shown([
    span(1, { parent: 2 }),
    span(2, { parent: 1 }),
    span(3, { parent: 3 }),
    span(4),
    span(4, { name: 'twin' }),
  ]);
  expect(lines).toHaveLength(5);
});

test('what came from a request cannot drive the terminal', () => {
  const evil = '\x1b]0;owned\x07\x1b[2J\r\n\u202e\u009b1m';
  const text = shown([span(1, { name: evil, attributes: { 'url.path': evil }, service: evil })]).join('');
  for (const char of '\x1b\x07\r\u202e\u009b') expect(text).not.toContain(char);
  expect(printable('a\tb\x1b')).toBe('a\\x09b\\x1b');
  expect(printable('x'.repeat(300))).toHaveLength(200);
});

test('traces settle before they are shown; the oldest go first when there are many', async () => {
  const written: string[] = [];
  const limits = { settleMs: 30, maxWaitMs: 1000, maxTraces: 2, maxSpansPerTrace: 3 };
  const output = spanTreeOutput({ write: (text) => void written.push(text) }, coloursOf({}), limits);
  output.add(span(1, { parent: 2, name: 'child' }));
  output.add(span(2, { name: 'parent' }));
  expect(written).toHaveLength(0);
  await vi.waitUntil(() => written.length === 1, { timeout: 5000 });
  expect(written[0]).toMatch(/parent.*\n.*└─ child/);
  for (const traceId of ['a', 'b', 'c']) output.add(span(3, { traceId, name: `trace ${traceId}` }));
  expect(written).toHaveLength(2);
  expect(written[1]).toContain('trace a');
  for (let i = 0; i < 2; i++) output.add(span(4 + i, { traceId: 'c' }));
  expect(written[2]).toContain('trace c');
  output.flush();
  expect(written[3]).toContain('trace b');
  expect(written).toHaveLength(4);
});

test.each([
  [0, '0 ns'],
  [850, '850 ns'],
  [999, '999 ns'],
  [1000, '1.00 µs'],
  [12_400, '12.4 µs'],
  [999_499, '999 µs'],
  [999_500, '1.00 ms'],
  [9_995_000, '10.0 ms'],
  [123_456_789, '123 ms'],
  [1_234_000_000, '1.23 s'],
  [59_940_000_000, '59.9 s'],
  [59_950_000_000, '1 min 0 s'],
  [3_725_000_000_000, '62 min 5 s'],
])('%d ns is %s', (ns, text) => {
  expect(formatDuration(ns)).toBe(text);
});

test('JSON lines', () => {
  const written: string[] = [];
  const output = jsonLinesOutput({ write: (text) => written.push(text) });
  output.add(
    span(2, { parent: 1, status: { code: 2, message: 'a\nb' }, attributes: { 'http.response.status_code': 500 } }),
  );
  output.add(span(1, { traceState: 'a=b' }));
  const lines = written.join('').split('\n');
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[0]!)).toEqual({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: '0000000000000002',
    parentSpanId: '0000000000000001',
    name: 'span 2',
    kind: 'server',
    startTimeUnixNano: '1700000000000002000',
    endTimeUnixNano: '1700000000012402000',
    status: { code: 'error', message: 'a\nb' },
    attributes: { 'http.response.status_code': 500 },
    flags: 1,
    resource: { 'service.name': 'shop' },
  });
  expect(JSON.parse(lines[1]!)).toMatchObject({ traceState: 'a=b', status: { code: 'unset' } });
});
