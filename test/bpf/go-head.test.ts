/** How BPF finds headers in the head of a request, against a parser of lines. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BpfObject } from '../../native/native.d.ts';
import { Scratch } from '../../src/probes/layout.gen.ts';
import { randomFrom } from '../fuzz/random.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { openBpfTest, runCase } from './bpf-case.ts';

const names = ['host', 'user-agent', 'traceparent', 'tracestate'] as const;
/** `struct go_head` behind the bytes, in `struct head_case` of go_head.bpf.c. */
const layout = {
  at: Scratch.size,
  len: Scratch.size + 8,
  bytes: Scratch.size + 16,
  end: Scratch.size + 18,
  parents: Scratch.size + 23,
  odd: Scratch.size + 24,
};
const caseBytes = Scratch.size + 32;
const maxBytes = 448;

interface Head {
  /** Bytes up to the blank line, including it. Undefined: there is none. */
  readonly end: number | undefined;
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly traceparents: number;
}

/** The same, by lines and a regular expression. Undefined: a line goes on in the next one, or has more blanks than are looked at, or there are two tracestate. */
function oracle(text: string): Head | undefined {
  const values: Record<string, string | undefined> = {};
  let traceparents = 0;
  let at = text.indexOf('\n') + 1;
  while (at > 0) {
    const newline = text.indexOf('\n', at);
    if (newline < 0) break;
    const line = text.slice(at, newline).replace(/\r$/, '');
    if (line === '') return { end: newline + 1, values, traceparents };
    if (/^[ \t]/.test(line)) return undefined;
    const [, name, value] = /^([\w-]+):(.*)$/s.exec(line) ?? [];
    if (name !== undefined && names.includes(name.toLowerCase() as never)) {
      const key = name.toLowerCase();
      if (/^[ \t]{5}|[ \t]{5}$/.test(value!)) return undefined;
      if (key === 'traceparent') traceparents++;
      // Two of them are one list, which the header map has.
      if (key === 'tracestate' && values[key] !== undefined) return undefined;
      // A header that is there but empty has no address of its own.
      values[key] ??= value!.replaceAll(/^[ \t]+|[ \t]+$/g, '');
    }
    at = newline + 1;
  }
  return { end: undefined, values, traceparents };
}

describeKernel('headers in a head', () => {
  let object: BpfObject;
  beforeAll(() => {
    object = openBpfTest('go_head');
  });
  afterAll(() => object.close());

  function scan(text: string): Head | undefined {
    const input = Buffer.alloc(caseBytes);
    // What was there before must not be found.
    input.write('\r\nHost: stale\r\n\r\n'.repeat(32), 0, Scratch.size, 'latin1');
    input.write(text, 0, 'latin1');
    input.writeUInt16LE(text.length, layout.bytes);
    const view = runCase(object, 'test_scan', input);
    const output = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
    if (output.readUInt8(layout.odd)) return undefined;
    const end = output.readUInt16LE(layout.end);
    const values: Record<string, string | undefined> = {};
    names.forEach((name, i) => {
      const at = output.readUInt16LE(layout.at + 2 * i);
      if (at > 0) values[name] = output.toString('latin1', at, at + output.readUInt16LE(layout.len + 2 * i));
    });
    return {
      end: end > 0 && end <= text.length ? end : undefined,
      values,
      traceparents: output.readUInt8(layout.parents),
    };
  }

  const line = 'GET /items/7?a=b HTTP/1.1\r\n';
  test.each([
    ['nothing but a host', `${line}Host: shop.test\r\n\r\n`],
    ['all four', `${line}Host: a\r\nUser-Agent: curl/8\r\ntraceparent: 00-x\r\nTraceState: a=1\r\n\r\n`],
    ['any case, no blank, many blanks', `${line}HOST:a\r\nuSER-aGENT:  \t c d \t\r\n\r\n`],
    ['bare newlines', 'GET / HTTP/1.0\nHost: a\nUser-Agent: b\n\n'],
    ['names that only begin so', `${line}Hostess: x\r\nUser-Agents: y\r\nTraceparent2: z\r\nTrace: q\r\n\r\n`],
    ['a name in a value', `${line}X: Host: y\r\nReferer: user-agent: z\r\n\r\n`],
    ['several of one', `${line}traceparent: a\r\ntraceparent: b\r\nUser-Agent: 1\r\nUser-Agent: 2\r\n\r\n`],
    ['two tracestate', `${line}tracestate: a=1\r\nHost: x\r\nTracestate: b=2\r\n\r\n`],
    ['a line that goes on', `${line}X: a\r\n b\r\nHost: c\r\n\r\n`],
    ['the second of two heads is not looked at', `${line}Host: a\r\n\r\n${line}Host: b\r\nUser-Agent: c\r\n\r\n`],
    ['no end', `${line}Host: a\r\nUser-Agent: b\r\n`],
    ['no line at all', 'x'.repeat(200)],
    ['a byte of 11 behind a newline', `${line}\x0bHost: a\r\n\r\n`],
  ])('%s', (_what, text) => {
    expect(scan(text)).toEqual(oracle(text));
  });

  test('of every length up to the longest', () => {
    for (let pad = 0; pad < maxBytes - 60; pad++) {
      const text = `${line}X: ${'p'.repeat(pad)}\r\nHost: h${pad}\r\n\r\n`;
      if (text.length > maxBytes) break;
      expect([pad, scan(text)]).toEqual([pad, { end: text.length, values: { host: `h${pad}` }, traceparents: 0 }]);
    }
  });

  test('5,000 random heads, as the oracle has it', () => {
    const random = randomFrom(2026);
    const pieces = ['Host', 'host', 'User-Agent', 'user-agent', 'traceparent', 'Tracestate', 'Accept', 'X-A'];
    let whole = 0;
    for (let i = 0; i < 5000; i++) {
      let text =
        random.pick(['GET / HTTP/1.1', 'POST /a/b?c=d HTTP/1.0', '']) + random.pick(['\r\n', '\n', '\r\n', '']);
      for (let n = random.below(8); n > 0; n--) {
        const value = Array.from({ length: random.below(20) }, () => random.pick([...'ab :\t-\x0b;'])).join('');
        text += random.pick(pieces) + random.pick([':', ': ', ':', ' ', '']) + value;
        text += random.pick(['\r\n', '\r\n', '\r\n', '\n', '\r']);
      }
      text += random.pick(['\r\n', '\n', '', '\r\n']);
      text = text.slice(0, maxBytes);
      const expected = oracle(text);
      const found = scan(text);
      // It does not matter whether a blank too many or a continued line comes first, because the header map is used in both cases.
      if (found === undefined || expected === undefined) {
        if (expected !== undefined) expect([text, expected.end]).toEqual([text, undefined]);
        continue;
      }
      expect([text, found.end]).toEqual([text, expected.end]);
      // Without an end, nothing of it is used.
      if (expected.end === undefined) continue;
      whole++;
      expect([text, found]).toEqual([text, expected]);
    }
    expect(whole).toBeGreaterThan(1000);
  });
});
