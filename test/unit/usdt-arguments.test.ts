import { describe, expect, test } from 'vitest';
import type { Machine, UsdtArgument, UsdtLocation } from '../../src/contract/binary.ts';
import { parseArguments } from '../../src/discovery/usdt/arguments.ts';

const siteAddress = 0x1000;
const variables = new Map([
  ['CheckpointStats', 0x8000],
  ['NBuffers', 0x9000],
  ['cache.0', 0xa000],
]);

function parse(machine: Machine, text: string): UsdtArgument[] {
  return parseArguments(text, { machine, siteAddress, variables: (name) => variables.get(name) });
}

function one(machine: Machine, text: string) {
  const all = parse(machine, text);
  expect(all).toHaveLength(1);
  expect(all[0]!.text).toBe(text);
  return all[0]!;
}

const constant = (value: bigint): UsdtLocation => ({ in: 'constant', value });
const register = (name: string, shiftBits = 0): UsdtLocation => ({ in: 'register', register: name, shiftBits });
const memory = (base: string | undefined, offset = 0, index?: string, scaleBits = 0): UsdtLocation => {
  return { in: 'memory', base, index, scaleBits, offset };
};

/** As they are in Debian's postgres, python3.11, libjvm, libruby, php and libstdc++, and as gcc and clang write them elsewhere. */
const x64: [string, string, UsdtLocation][] = [
  ['-4@%edi', 'signed 4', register('rdi')],
  ['8@%rax', 'unsigned 8', register('rax')],
  ['-1@%dil', 'signed 1', register('rdi')],
  ['1@%r8b', 'unsigned 1', register('r8')],
  ['-4@%r15d', 'signed 4', register('r15')],
  ['2@%bp', 'unsigned 2', register('rbp')],
  ['-2@%r10w', 'signed 2', register('r10')],
  ['1@%ah', 'unsigned 1', register('rax', 8)],
  // The size decides, not the register's name.
  ['8@%eax', 'unsigned 8', register('rax')],
  ['-4@$0', 'signed 4', constant(0n)],
  ['-8@$1234567890123', 'signed 8', constant(1234567890123n)],
  ['-4@$-5', 'signed 4', constant(-5n)],
  ['8@$0xffffffffffffffff', 'unsigned 8', constant(0xffff_ffff_ffff_ffffn)],
  ['8@(%rsp)', 'unsigned 8', memory('rsp')],
  ['-4@-204(%rbp)', 'signed 4', memory('rbp', -204)],
  ['4@0(%r13)', 'unsigned 4', memory('r13')],
  ['8@0x10(%rsi)', 'unsigned 8', memory('rsi', 16)],
  ['8@-8(%rsp)', 'unsigned 8', memory('rsp', -8)],
  ['-4@12(%rdi,%rsi,4)', 'signed 4', memory('rdi', 12, 'rsi', 2)],
  ['1@(%rbp,%rax)', 'unsigned 1', memory('rbp', 0, 'rax', 0)],
  ['8@-8(%rsp,%rax,8)', 'unsigned 8', memory('rsp', -8, 'rax', 3)],
  ['8@16(,%rax,8)', 'unsigned 8', memory(undefined, 16, 'rax', 3)],
  ['-4@40+CheckpointStats(%rip)', 'signed 4', memory('site', 0x7000 + 40)],
  ['-4@NBuffers(%rip)', 'signed 4', memory('site', 0x8000)],
  ['-4@NBuffers+8(%rip)', 'signed 4', memory('site', 0x8008)],
  ['-4@cache.0-4(%rip)', 'signed 4', memory('site', 0x8ffc)],
  ['-4@NBuffers', 'signed 4', memory('site', 0x8000)],
  ['4@CheckpointStats(,%rax,4)', 'unsigned 4', memory('site', 0x7000, 'rax', 2)],
  ['4@CheckpointStats(%rdx)', 'unsigned 4', memory('rdx', 0x8000)],
  ['8f@%rdx', 'float 8', register('rdx')],
  ['4f@%eax', 'float 4', register('rax')],
  ['-8f@NBuffers(%rip)', 'float 8', memory('site', 0x8000)],
];

/** As they are in the arm64 builds of the same packages. */
const arm64: [string, string, UsdtLocation][] = [
  ['8@x20', 'unsigned 8', register('x20')],
  ['-4@x0', 'signed 4', register('x0')],
  ['4@w3', 'unsigned 4', register('x3')],
  ['8@sp', 'unsigned 8', register('sp')],
  ['4@wzr', 'unsigned 4', constant(0n)],
  ['-4@5', 'signed 4', constant(5n)],
  ['-4@-1', 'signed 4', constant(-1n)],
  ['8@#7', 'unsigned 8', constant(7n)],
  ['8@[x1]', 'unsigned 8', memory('x1')],
  ['-4@[sp, 96]', 'signed 4', memory('sp', 96)],
  ['8@[x29, #-16]', 'unsigned 8', memory('x29', -16)],
  ['-1@[x0, x1]', 'signed 1', memory('x0', 0, 'x1')],
  ['8@[x0, x1, lsl 3]', 'unsigned 8', memory('x0', 0, 'x1', 3)],
  ['8@[x0, x1, lsl #3]', 'unsigned 8', memory('x0', 0, 'x1', 3)],
];

describe.each([
  ['x64', x64],
  ['arm64', arm64],
] as const)('%s', (machine, forms) => {
  test.each(forms)('%s', (text, type, location) => {
    const argument = one(machine, text);
    if (!argument.readable) throw new Error(argument.why);
    expect(`${argument.kind} ${argument.bytes}`).toBe(type);
    expect(argument.location).toEqual(location);
  });

  test('all of them at once, twelve at most', () => {
    const texts = forms.map(([text]) => text);
    expect(parse(machine, texts.join(' ')).map(({ text }) => text)).toEqual(texts.slice(0, 12));
    expect(parse(machine, ` :${texts.slice(0, 3).join('  ')} `).map(({ text }) => text)).toEqual(texts.slice(0, 3));
    expect(parse(machine, '')).toEqual([]);
    expect(parse(machine, ' : ')).toEqual([]);
  });
});

test.each<[Machine, string, RegExp]>([
  ['x64', '-4@%fs:tl@tpoff', /thread-local/],
  ['x64', '8@%fs:(%rax)', /thread-local/],
  ['x64', '8@%xmm0', /no general-purpose register/],
  ['x64', '8@%rip', /no general-purpose register/],
  ['x64', '4@gone(%rip)', /gone is not in the symbol table/],
  ['x64', '8@NBuffers@GOTPCREL(%rip)', /form is unknown/],
  ['x64', '8@$NBuffers', /not in the file/],
  ['x64', '8@16(%rip)', /not the site/],
  ['x64', '8@(%eax)', /holds no address/],
  ['x64', '8@(%rax,%rsp)', /holds no address/],
  ['x64', '8@(%rax,%rcx,3)', /form is unknown/],
  ['x64', '8@(%rax', /form is unknown/],
  ['x64', '8@', /size/],
  ['x64', '3@%eax', /size/],
  ['x64', '16@%rax', /size/],
  ['x64', '%rax', /size/],
  ['x64', '2f@%ax', /floating-point/],
  ['x64', `8@$${'9'.repeat(400)}`, /not in the file/],
  ['x64', `8@${'9'.repeat(19)}(%rax)`, /form is unknown/],
  ['arm64', '4@[x21, #:lo12:.LANCHOR2]', /:lo12:.LANCHOR2 is not in the file/],
  ['arm64', '8@[x0, w1, sxtw]', /form is unknown/],
  ['arm64', '8@x31', /form is unknown/],
  ['arm64', '8@[w0]', /w0 holds no address/],
  ['arm64', '8@d0', /form is unknown/],
])('%s %s cannot be read, and takes no other argument with it', (machine, text, why) => {
  const good = machine === 'x64' ? '4@%eax' : '4@x0';
  const all = parse(machine, `${text} ${good}`);
  // Without a size it cannot be told from what comes before it.
  const [bad] = all;
  if (all.length === 2) expect(all[1]!.readable).toBe(true);
  else expect(text).toMatch(/^%|@$/);
  expect(bad).toMatchObject({ readable: false, why: expect.stringMatching(why) });
});
