import { describe, expect, test } from 'vitest';
import type { Place } from '../../src/contract/decision.ts';
import { locate } from '../../src/probes/sites/locate.ts';
import { locateInFunction, type PlaceInFunction } from '../../src/probes/sites/places.ts';
import { addressOf, call, codeOf, type Functions, fileBias, firstAddress, rel32 } from './sites-program.ts';

/** In all programs below, `morestack` comes first, then the function under test. */
const morestack = { 'runtime.morestack_noctxt.abi0': 'c3' };
const own = addressOf(1);

function find(place: PlaceInFunction, functions: Functions) {
  return locateInFunction(codeOf({ ...morestack, ...functions }), place);
}

/** Where the entry site of `code` is, by its offset, or why there is none. */
function entry(code: string) {
  const located = find({ at: 'entry', function: 'f' }, { f: code });
  if (!located.found) return located;
  const { address, class: siteClass, instruction, why } = located.site;
  return { at: address - own, class: siteClass, instruction, why };
}

/**
 * `prologue`, then the end of a Go function: arguments spilled, runtime.morestack called, another try. `jumps` are offsets of rel32s to it.
 */
function withStackCheck(prologue: string, ...jumps: number[]): string {
  const bytes = prologue.replaceAll(' ', '');
  const tail = bytes.length / 2;
  let patched = bytes;
  for (const at of jumps) patched = `${patched.slice(0, 2 * at)}${rel32(tail - at - 4)}${patched.slice(2 * at + 8)}`;
  // mov %rax,0x8(%rsp); call runtime.morestack_noctxt; mov 0x8(%rsp),%rax; jmp f
  return `${patched}4889442408${call(own + tail + 5, firstAddress)}488b442408e9${rel32(-(tail + 20))}`;
}

describe('entry', () => {
  test('Go 1.21 and newer: the push after the stack check', () => {
    // cmp 0x10(%r14),%rsp; jbe morestack; push %rbp; mov %rsp,%rbp; sub $0x18,%rsp; ret
    const code = withStackCheck('493b6610 0f8600000000 55 4889e5 4883ec18 c3', 6);
    expect(entry(code)).toEqual({
      at: 10,
      class: 'push',
      instruction: 'push %rbp',
      why: 'push after the stack check',
    });
  });

  test('a frame of more than a page: lea %r12 first', () => {
    // lea -0x1038(%rsp),%r12; cmp 0x10(%r14),%r12; jbe morestack; push %rbp
    const code = withStackCheck('4c8da424c8efffff 4d3b6610 0f8600000000 55 c3', 14);
    expect(entry(code)).toMatchObject({ at: 18, class: 'push', instruction: 'push %rbp' });
  });

  test('a huge frame is checked twice: for underflow, then against the guard', () => {
    // mov %rsp,%r12; sub $0x20000,%r12; jb morestack; cmp 0x10(%r14),%r12; jbe morestack; push %rbp
    const code = withStackCheck('4989e4 4981ec00000200 0f8200000000 4d3b6610 0f8600000000 55 c3', 12, 22);
    expect(entry(code)).toMatchObject({ at: 26, class: 'push', why: 'push after the stack check' });
  });

  test('no stack check: the push comes first', () => {
    expect(entry('55 4889e5 c3')).toMatchObject({
      at: 0,
      class: 'push',
      why: 'first emulated instruction of the prologue',
    });
  });

  test('before Go 1.21 there is no push: the branch of the stack check, which fires again', () => {
    // cmp; jbe morestack; sub $0x18,%rsp; mov %rbp,0x10(%rsp); lea 0x10(%rsp),%rbp; mov 0x10(%rax),%rbx; test %rbx,%rbx; je
    const code = withStackCheck('493b6610 0f8600000000 4883ec18 48896c2410 488d6c2410 488b5810 4885db 7400 c3', 6);
    expect(entry(code)).toMatchObject({
      at: 4,
      class: 'jcc',
      why: 'branch of the stack check; fires again when the stack grows',
    });
  });

  test('before Go 1.21, but a branch comes before an argument is written: it fires once', () => {
    // cmp; jbe morestack; sub $0x18,%rsp; test %rax,%rax; je +0
    const code = withStackCheck('493b6610 0f8600000000 4883ec18 4885c0 7400 c3', 6);
    expect(entry(code)).toMatchObject({ at: 17, class: 'jcc', why: 'jcc after the stack check' });
  });

  test("the program's own first branch is no stack check: it is the site, not the push behind it", () => {
    // test %rdi,%rdi; je +2; push %rbx; nop; ret (shrink-wrapped C)
    expect(entry('4885ff 7402 53 90 c3')).toMatchObject({
      at: 3,
      class: 'jcc',
      instruction: `je 0x${(own + 7).toString(16)}`,
    });
  });

  test('a branch backwards or out of the function is no stack check', () => {
    expect(entry('4885ff 74fb c3')).toMatchObject({
      at: 3,
      class: 'jcc',
      why: 'first emulated instruction of the prologue',
    });
    expect(entry('4885ff 0f8400010000 c3')).toMatchObject({ at: 3, class: 'jcc' });
  });

  test('an argument is written before anything emulated: stepped, at the first instruction', () => {
    // mov 0x8(%rax),%rax; push %rbp
    expect(entry('488b4008 55 c3')).toEqual({
      at: 0,
      class: 'stepped',
      instruction: 'mov 8(%rax),%rax',
      why: 'no emulated instruction before the first branch',
    });
  });

  test.each([
    ['ret', '4889e5 c3'],
    ['an indirect call', '4889e5 ffd0 55 c3'],
    ['loop', '4889e5 e200 55 c3'],
    ['jrcxz', '4889e5 e300 55 c3'],
    ['an indirect jump', '4889e5 ffe0 55'],
    ['ud2', '4889e5 0f0b 55'],
    ['the end of the code', '4889e5'],
  ])('nothing emulated before %s: stepped', (_what, code) => {
    expect(entry(code)).toMatchObject({ at: 0, class: 'stepped' });
  });

  test('no more of a prologue than 16 instructions is looked at', () => {
    const writes = (count: number) => '4889e5'.repeat(count); // mov %rsp,%rbp
    expect(entry(`${writes(15)} 55`)).toMatchObject({ at: 45, class: 'push' });
    expect(entry(`${writes(16)} 55`)).toMatchObject({ at: 0, class: 'stepped' });
  });

  test('endbr64 is passed by, also for a stepped site', () => {
    expect(entry('f30f1efa 55 c3')).toMatchObject({ at: 4, class: 'push' });
    expect(entry('f30f1efa 31c0 c3')).toMatchObject({ at: 4, class: 'stepped', instruction: 'xor %eax,%eax' });
  });

  test('a long nop is passed over', () => {
    expect(entry('0f1f440000 55 c3')).toMatchObject({ at: 5, class: 'push' });
  });

  test('where the kernel takes no probe there is no site', () => {
    expect(entry('f0ff00 c3')).toEqual({
      found: false,
      reason: 'no_cheap_site',
      detail: 'f: the kernel takes no probe on lock incl (%rax)',
    });
  });

  test('a function without code', () => {
    expect(entry('')).toMatchObject({ found: false, reason: 'symbol_missing' });
    expect(entry('06')).toMatchObject({ found: false, reason: 'symbol_missing' });
  });

  test('an unknown function', () => {
    expect(find({ at: 'entry', function: 'main.gone' }, { f: '55' })).toEqual({
      found: false,
      reason: 'symbol_missing',
      detail: 'main.gone is not in the binary',
    });
  });

  test('the file offset is that of the instruction', () => {
    const located = find({ at: 'entry', function: 'f' }, { f: 'f30f1efa 55 c3' });
    expect(located).toMatchObject({ site: { address: own + 4, fileOffset: own + 4 + fileBias } });
  });
});

const [g, h] = [addressOf(2), addressOf(3)];
const calls = (at: number, target: number) => call(own + at, target);

describe('afterCall', () => {
  const behind = (code: string, callee = 'main.g') => {
    const place = { at: 'afterCall', function: 'f', callee } as const;
    const located = find(place, { f: code, 'main.g': 'c3', 'main.h': 'c3' });
    return located.found ? { ...located.site, at: located.site.address - own } : located;
  };

  test('the first emulated instruction', () => {
    // push %rbp; call main.g; mov %rax,%rbx; test %rax,%rax; je; call main.h
    const code = `55 ${calls(1, g)} 4889c3 4885c0 7405 ${calls(14, h)} c3`;
    expect(behind(code)).toMatchObject({
      at: 12,
      class: 'jcc',
      why: 'first emulated instruction after the call of main.g',
    });
  });

  test('a call is named', () => {
    expect(behind(`${calls(0, g)} 4889c3 ${calls(8, h)} c3`)).toMatchObject({
      at: 8,
      class: 'call',
      instruction: 'call main.h',
    });
  });

  test('indirect calls come back and are passed by', () => {
    // call main.g; mov 0x8(%rsp),%rdx; mov (%rdx),%rcx; call *%rcx; jmp -2
    expect(behind(`${calls(0, g)} 488b542408 488b0a ffd1 ebfe`)).toMatchObject({ at: 15, class: 'jmp' });
  });

  test('what comes before the call does not count', () => {
    expect(behind(`55 90 ${calls(2, h)} ${calls(7, g)} 31c0 90 c3`)).toMatchObject({ at: 14, class: 'nop' });
  });

  test('a long nop, emulated by new kernels only, is passed over', () => {
    expect(behind(`${calls(0, g)} 0f1f4000 55 c3`)).toMatchObject({ at: 9, class: 'push' });
  });

  test.each([
    ['ret', '31c0 c3 55'],
    ['an indirect jump', '31c0 ffe0 55'],
    ['ud2', '31c0 0f0b 55'],
    ['jrcxz, behind which not everything is run', '31c0 e301 55 c3'],
    ['loop', '31c0 e201 55 c3'],
    ['the end', '31c0'],
  ])('nothing emulated before %s: stepped', (_what, rest) => {
    expect(behind(`${calls(0, g)} ${rest}`)).toMatchObject({
      at: 5,
      class: 'stepped',
      instruction: 'xor %eax,%eax',
      why: 'nothing emulated after the call of main.g',
    });
  });

  test('a stepped site is never one that the kernel refuses', () => {
    expect(behind(`${calls(0, g)} f0ff00 31c0 c3`)).toMatchObject({ at: 8, class: 'stepped' });
    expect(behind(`${calls(0, g)} f0ff00`)).toMatchObject({ found: false, reason: 'no_cheap_site' });
    expect(behind(calls(0, g))).toMatchObject({ found: false, reason: 'no_cheap_site' });
  });

  test('the callee is called through a pointer only', () => {
    expect(behind('488b0a ffd1 90 c3')).toEqual({
      found: false,
      reason: 'symbol_missing',
      detail: 'f does not call main.g',
    });
  });

  test('only the entry of the callee counts', () => {
    expect(behind(`${calls(0, g + 4)} 90 c3`)).toMatchObject({ found: false, detail: 'f does not call main.g' });
  });

  test('a jump to the callee is no call', () => {
    expect(behind(`e9 ${rel32(g - (own + 5))} 90`)).toMatchObject({ found: false, detail: 'f does not call main.g' });
  });

  test('an unknown callee', () => {
    expect(behind('c3', 'main.gone')).toMatchObject({ found: false, detail: 'main.gone is not in the binary' });
  });
});

describe('call', () => {
  const calling = (code: string, ...callees: string[]) => {
    const located = find({ at: 'call', function: 'f', callees }, { f: code, 'main.g': 'c3', 'main.h': 'c3' });
    return located.found ? { ...located.site, at: located.site.address - own } : located;
  };

  test('the call of the first callee that is called', () => {
    const code = `55 ${calls(1, h)} ${calls(6, g)} c3`;
    expect(calling(code, 'main.g', 'main.h')).toMatchObject({ at: 6, class: 'call', why: 'call of main.g' });
    expect(calling(code, 'main.h', 'main.g')).toMatchObject({ at: 1, instruction: 'call main.h' });
    expect(calling(code, 'main.gone', 'main.h')).toMatchObject({ at: 1 });
  });

  test('behind branches too', () => {
    expect(calling(`7401 c3 ${calls(3, g)} c3`, 'main.g')).toMatchObject({ at: 3 });
  });

  test('a call that the kernel takes no probe on is not taken', () => {
    // data16 call main.g
    expect(calling(`66e8 ${rel32(g - (own + 6))} c3`, 'main.g')).toMatchObject({ found: false });
  });

  test('none is called', () => {
    expect(calling('ffd0 c3', 'main.g', 'main.h')).toEqual({
      found: false,
      reason: 'symbol_missing',
      detail: 'f calls none of main.g, main.h',
    });
  });
});

describe('several sites', () => {
  const sites = (place: Place, code: string) => {
    const located = locate(codeOf({ ...morestack, f: code, 'main.g': 'c3', 'main.h': 'c3' }), place);
    return located.found ? located.sites.map(({ address, why }) => [address - own, why]) : located.detail;
  };
  const toG: Place = { at: 'calls', function: 'f', callee: 'main.g' };
  const code = `55 ${calls(1, g)} ${calls(6, h)} 7400 ${calls(13, g)} c3`;

  test('every call of a function', () => {
    expect(sites(toG, code)).toEqual([
      [1, 'call of main.g'],
      [13, 'call of main.g'],
    ]);
    expect(sites({ ...toG, callee: 'main.h' }, code)).toEqual([[6, 'call of main.h']]);
  });

  test('no call, no function', () => {
    expect(sites(toG, '55 c3')).toBe('f does not call main.g');
    expect(sites({ ...toG, callee: 'main.gone' }, code)).toBe('f does not call main.gone');
    expect(sites({ ...toG, function: 'gone' }, code)).toBe('gone is not in the binary');
  });

  test('any of some places: those that are there, or why the first is not', () => {
    const gone: Place = { at: 'entry', function: 'gone' };
    const entry: Place = { at: 'entry', function: 'f' };
    expect(sites({ at: 'any', places: [gone, toG, entry] }, code)).toEqual([
      [1, 'call of main.g'],
      [13, 'call of main.g'],
      [0, expect.any(String)],
    ]);
    expect(sites({ at: 'any', places: [gone, { ...toG, callee: 'main.gone' }] }, code)).toBe(
      'gone is not in the binary',
    );
  });
});
