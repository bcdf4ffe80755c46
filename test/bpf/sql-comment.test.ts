/** The trace that the comments at the begin and the end of a statement name, found in the kernel. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BpfObject } from '../../native/native.d.ts';
import { SpanHead } from '../../src/probes/layout.gen.ts';
import { randomFrom } from '../fuzz/random.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { openBpfTest, runCase } from './bpf-case.ts';

/** struct comment_case of sql_comment.bpf.c. */
const layout = {
  len: SpanHead.size,
  result: SpanHead.size + 4,
  text: SpanHead.size + 8,
  size: SpanHead.size + 8 + 2048 + 64,
};
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const other = '0af7651916cd43dd8448eb211c80319c';
const tp = (trace = traceId) => `traceparent='00-${trace}-00f067aa0ba902b7-01'`;

describeKernel('the comments of a statement', () => {
  let object: BpfObject;
  beforeAll(() => {
    object = openBpfTest('sql_comment');
  });
  afterAll(() => object.close());

  /** The trace id, if the comments name one. */
  function traceOf(sql: string): string | undefined {
    const bytes = Buffer.from(sql);
    const input = Buffer.alloc(layout.size, 0x2f);
    input.writeUInt32LE(bytes.length, layout.len);
    bytes.copy(input, layout.text);
    const output = runCase(object, 'test_comment', input);
    if (output.getUint32(layout.result, true) === 0) return undefined;
    return Buffer.from(output.buffer, output.byteOffset + SpanHead.traceId, 16).toString('hex');
  }

  test.each([
    ['at the end', `select 1 /*${tp()}*/`],
    ['at the start', `/*${tp()}*/ select 1`],
    ['before a semicolon', `select 1 /*${tp()}*/;`],
    ['before spaces', `select 1 /*${tp()}*/ `],
    ['before a semicolon among spaces', `select 1 /*${tp()}*/ ; \n`],
    ['at the start behind spaces', `\n  /*${tp()}*/ select 1;`],
    ['before another one at the end', `select 1 /*${tp()}*/ /*app='shop'*/`],
    ['before two others at the end', `select 1 /*${tp()}*//* a *//* b */;`],
    ['behind another one at the end', `select 1 /* a */ /*${tp()}*/`],
    ['behind another one at the start', `/* a */ /*${tp()}*/ select 1`],
    ['before another one at the start', `/*${tp()}*/ /* a */ select 1`],
    ['at the start, with another one at the end', `/*${tp()}*/ select 1 /* a */`],
    ['at the end, with another one at the start', `/* a */ select 1 /*${tp()}*/`],
    ['behind other keys', `select 1 /*action='a',${tp()}*/`],
    ['before other keys', `select 1 /*${tp()},tracestate='a=1'*/`],
    ['behind tracestate', `select 1 /*tracestate='a=1',${tp()}*/`],
    ['behind a long statement', `select '${'x'.repeat(1800)}' /*${tp()}*/;`],
    ['with stars', `select 1 /***${tp()}***/`],
  ])('%s', (_, sql) => {
    expect(traceOf(sql)).toBe(traceId);
  });

  test('of several, the last one at the end counts, before the first one at the start', () => {
    expect(traceOf(`/*${tp(other)}*/ select 1 /*${tp(other)}*/ /*${tp()}*/`)).toBe(traceId);
    expect(traceOf(`/*${tp()}*/ /*${tp(other)}*/ select 1`)).toBe(traceId);
  });

  test.each([
    ['no comment', `select ${tp()}`],
    ['a literal', `select $$ /*${tp()}*/ $$`],
    ['a literal before a semicolon', `select $$ /*${tp()}*/$$;`],
    ['a literal before a comment', `select $$ /*${tp()}*/ $$ /* a */`],
    ['a literal that pretends to go on in a comment', `select $$ /*${tp()}*/ /*$$ /* a */`],
    ['a literal that pretends to end one', `select $$${tp()}*/ /*$$ /* a */`],
    ['a comment in the middle', `select /*${tp()}*/ 1`],
    ['a comment in the middle, with one at the end', `select /*${tp()}*/ 1 /* a */`],
    ['a comment before the last statement', `select 1 /*${tp()}*/; select 2`],
    ['a comment that never ends', `select 1 /*${tp()}`],
    ['one that never ends at the start', `/*${tp()} select 1 `],
    ['one whose end is its begin', `select 1 /*/${tp()}`],
    ['another version', `select 1 /*${tp().replace('00-', 'ff-')}*/`],
    ['a longer value', `select 1 /*${tp().replace("-01'", "-01-more'")}*/`],
    ['another key', `select 1 /*x${tp().replace('traceparent', 'traceparens')}*/`],
    ['one of zeros', `select 1 /*${tp('0'.repeat(32))}*/`],
    ['a fourth comment from the end', `select 1 /*${tp()}*/ /* a */ /* b */ /* c */`],
    ['one too far from the end', `select 1 /*${tp()},a='${'x'.repeat(600)}'*/`],
    ['too many bytes behind it', `select 1 /*${tp()}*/       ;`],
  ])('it is not made up from %s', (_, sql) => {
    expect(traceOf(sql)).toBeUndefined();
  });

  test('no literal passes for a comment, whatever it holds (seeded)', () => {
    const { below, pick } = randomFrom(20_261_201);
    const parts = [`/*${tp()}*/`, tp(), '/*', '*/', ' ', ';', 'x', '/', '*', '\n', "app='a'"];
    const ends = ['', ';', ' ', ' /* a */', "/*app='shop'*/;", ' /* a */ /* b */', ' , 1', ' -- x'];
    for (let round = 0; round < 4000; round++) {
      let literal = '';
      for (let count = below(8); count > 0; count--) literal += pick(parts);
      const sql = `select $$${literal}$$${pick(ends)}`;
      expect([sql, traceOf(sql)]).toEqual([sql, undefined]);
    }
  });
});
