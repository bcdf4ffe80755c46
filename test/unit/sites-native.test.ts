import { describe, expect, test } from 'vitest';
import { locateInFunction } from '../../src/probes/sites/places.ts';
import { addressOf, codeOf, type Functions } from './sites-program.ts';

/** Where the entry site of `code` is, by its offset, or why there is none. Arguments 0 and 2 are needed. */
function entry(code: string, functions: Functions = {}, name = 'f') {
  const located = locateInFunction(codeOf({ ...functions, [name]: code }), {
    at: 'nativeEntry',
    function: name,
    arguments: [0, 2],
  });
  if (!located.found) return located;
  const { address, class: siteClass, instruction } = located.site;
  return { at: address - addressOf(Object.keys(functions).length), class: siteClass, instruction };
}

describe('nativeEntry', () => {
  test.each([
    ['push first', '55 4889e5 c3', { at: 0, class: 'push', instruction: 'push %rbp' }],
    ['behind endbr64', 'f30f1efa 4157 c3', { at: 4, class: 'push', instruction: 'push %r15' }],
    // cmpq $0,0x78(%rdi); jne +1; nop; ret
    ['a branch behind a comparison', '48837f7800 7501 90 c3', { at: 5, class: 'jcc' }],
    // mov %rsi,%rax; mov $1,%esi; push %rbx: argument 1 is not needed
    ['another argument is overwritten', '4889f0 be01000000 53 c3', { at: 8, class: 'push' }],
    // sub $0x18,%rsp; jmp +0
    ['a jump', '4883ec18 eb00 c3', { at: 4, class: 'jmp' }],
  ])('%s', (_, code, site) => {
    expect(entry(code)).toMatchObject(site);
  });

  test.each([
    // mov %rcx,%rdi; push %rbp
    ['the first is overwritten before', '4889cf 55 c3'],
    // xor %edx,%edx; push %rbp
    ['half of one is overwritten before', '31d2 55 c3'],
    // mov (%rdi),%rax; call *%rax; push %rbp
    ['a call comes before', '488b07 ffd0 55 c3'],
    ['it returns before', '4889e5 c3 55'],
  ])('%s: only the first instruction, single-stepped', (_, code) => {
    expect(entry(code)).toMatchObject({ at: 0, class: 'stepped' });
  });

  test('a C++ name is found by what comes before its parameters, clones and thunks left alone', () => {
    const others = {
      _ZThn8_N4node1A5writeEPKcm: 'c3',
      '_ZN4node1A5writeEPKcm.cold': 'c3',
      _ZN4node1A5writeEPKcm: '55 c3',
    };
    const located = locateInFunction(codeOf(others), {
      at: 'nativeEntry',
      function: '_ZN4node1A5writeE',
      arguments: [0],
    });
    expect(located).toMatchObject({ found: true, site: { function: '_ZN4node1A5writeEPKcm', class: 'push' } });
    expect(
      locateInFunction(codeOf(others), { at: 'nativeEntry', function: '_ZN4node1A4readE', arguments: [0] }),
    ).toMatchObject({ found: false, reason: 'symbol_missing' });
  });
});
