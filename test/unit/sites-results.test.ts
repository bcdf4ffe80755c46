/** Sites where the result of a call is in registers, on hand-assembled functions. sites-go-client.test.ts has real ones. */
import { describe, expect, test } from 'vitest';
import { locateInFunction, type PlaceInFunction } from '../../src/probes/sites/places.ts';
import { addressOf, call, codeOf, type Functions } from './sites-program.ts';

/** In all programs below, g is the callee, and f calls it at its own first byte. */
const own = addressOf(1);
const callOfG = call(own, addressOf(0));

function find(place: PlaceInFunction, code: string, more: Functions = {}) {
  const located = locateInFunction(codeOf({ g: 'c3', f: code, ...more }), place);
  if (!located.found) return located.reason;
  const { address, class: siteClass, spec } = located.site;
  return { at: address - own, class: siteClass, ...(spec === undefined ? {} : { spec }) };
}

const branch = (code: string, of: 'callee' | 'result' = 'callee') =>
  find({ at: 'resultBranch', function: 'f', callee: 'g', of }, code);
const path = (code: string, result: 'error' | 'true' = 'error') =>
  find({ at: 'resultPath', function: 'f', callee: 'g', result }, code);

describe('the branch on a result', () => {
  test('behind the test', () => {
    // call g; test %rbx,%rbx; je
    expect(branch(`${callOfG} 4885db 7401 90 c3`)).toEqual({ at: 8, class: 'jcc' });
  });
  test('not where a result was overwritten before', () => {
    // call g; mov %rax,%rbx; test; je
    expect(branch(`${callOfG} 4889c3 4885db 7401 90 c3`)).toBe('no_cheap_site');
  });
  test('not behind another call, nor a jump', () => {
    expect(branch(`${callOfG} ${call(own + 5, addressOf(0))} 4885db 7401 90 c3`)).toBe('no_cheap_site');
    expect(branch(`${callOfG} eb00 4885db 7401 90 c3`)).toBe('no_cheap_site');
  });
  test('of a method of what the callee gave', () => {
    // call g; call *%rcx; cmp %rdx,%rbx; jne
    expect(branch(`${callOfG} ffd1 4839d3 7501 90 c3`, 'result')).toEqual({ at: 10, class: 'jcc' });
    expect(branch(`${callOfG} 4839d3 7501 90 c3`, 'result')).toBe('symbol_missing');
  });
  test('a callee that is not called, or not there', () => {
    expect(branch('4885db 7401 90 c3')).toBe('symbol_missing');
    expect(find({ at: 'resultBranch', function: 'f', callee: 'h', of: 'callee' }, `${callOfG} c3`)).toBe(
      'symbol_missing',
    );
  });
});

describe('the way taken with an error', () => {
  test('where the branch leads', () => {
    // call g; test %rbx,%rbx; jne +1; ret; nop
    expect(path(`${callOfG} 4885db 7501 c3 90 c3`)).toEqual({ at: 11, class: 'nop' });
  });
  test('straight on, where the branch is taken without one', () => {
    // call g; test %rbx,%rbx; je +1; nop; ret
    expect(path(`${callOfG} 4885db 7401 90 c3`)).toEqual({ at: 10, class: 'nop' });
  });
  test('saved on the stack, then overwritten: told where', () => {
    // call g; test; je; mov %rcx,0xc8(%rsp); mov %rbx,0x68(%rsp); xor %ecx,%ecx; xor %ebx,%ebx; nop
    const code = `${callOfG} 4885db 7401 48898c24c8000000 48895c2468 31c9 31db 90 c3`;
    expect(path(code)).toEqual({ at: 27, class: 'nop', spec: 0x6800c8 });
  });
  test('overwritten and not saved: nowhere', () => {
    expect(path(`${callOfG} 4885db 7401 31db 90 c3`)).toBe('no_cheap_site');
  });
  test('a test of another result says nothing of the error', () => {
    expect(path(`${callOfG} 4885c0 7401 90 c3`)).toBe('no_cheap_site');
  });
  test('nothing but what would be single-stepped', () => {
    expect(path(`${callOfG} 4885db 7401 c3 c3`)).toBe('no_cheap_site');
  });
  test('true: of the first result', () => {
    // call g; test %al,%al; jne +1; ret; nop
    expect(path(`${callOfG} 84c0 7501 c3 90 c3`, 'true')).toEqual({ at: 10, class: 'nop' });
  });
});

test('a call behind another', () => {
  const code = `${callOfG} ${call(own + 5, addressOf(2))} ${call(own + 10, addressOf(0))} c3`;
  const place = { at: 'call', function: 'f', callees: ['g'], behind: 'h' } as const;
  expect(find(place, code, { h: 'c3' })).toEqual({ at: 10, class: 'call' });
  expect(find(place, `${callOfG} c3`, { h: 'c3' })).toBe('symbol_missing');
});
