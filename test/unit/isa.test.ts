/** Only one folder knows machine code. All other code asks an Isa. */
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { arm64 } from '../../src/discovery/isa/arm64.ts';
import { isaOf } from '../../src/discovery/isa/isa-of.ts';
import { x64 } from '../../src/discovery/isa/x64/x64.ts';

const source = resolve(import.meta.dirname, '../../src');
const files = globSync('**/*.ts', { cwd: source });
const text = (path: string) => readFileSync(resolve(source, path), 'utf8');

const disassembler = /'iced-x86'/;
const registers = /\b([re]?([abcd]x|[sd]i|[sb]p)|r(8|9|1[0-5])[dwb]?|[abcd][lh]|xmm\d+)\b/i;
const opcodes =
  /\b(endbr64|bti|movzx?|mov[blqw]|lea|j[zelgab]e?|jn[ezlgab]|jrcxz|test[bwlq]|cmp[bwlq]?|xor[lq]?|ud2|ret[qf]?)\b/i;

describe('the source', () => {
  test('has what these patterns look for, where it may be', () => {
    expect(text('discovery/isa/x64/decode.ts')).toMatch(disassembler);
    expect(text('discovery/isa/x64/x64.ts')).toMatch(registers);
    expect(text('discovery/isa/x64/decode.ts')).toMatch(opcodes);
  });

  test.each(files.filter((path) => !path.startsWith('discovery/isa/x64/')))('src/%s has no disassembler', (path) => {
    expect(text(path)).not.toMatch(disassembler);
  });

  const planner = files.filter((path) => /^probes\/(definitions|pair|plan|sites)[./]/.test(path));
  test.each(planner)('src/%s names no register or opcode', (path) => {
    expect(registers.exec(text(path))?.[0]).toBeUndefined();
    expect(opcodes.exec(text(path))?.[0]).toBeUndefined();
    expect(text(path)).not.toMatch(/'x64'|'arm64'/);
  });
});

test.each([x64, arm64])('$machine: a register has one number', ({ registers, machine, ...isa }) => {
  expect(new Set(registers).size).toBe(registers.length);
  expect(registers.length).toBeLessThanOrEqual(32);
  for (const number of [...isa.goRegisters, ...isa.cArguments, isa.cResult]) expect(registers[number]).toBeDefined();
  expect(isaOf(machine).machine).toBe(machine);
});

test('x64: the registers of both calling conventions', () => {
  const names = (numbers: readonly number[]) => numbers.map((number) => x64.registers[number]).join(' ');
  expect(names(x64.goRegisters)).toBe('rax rbx rcx rdi rsi r8 r9 r10 r11');
  expect(names(x64.cArguments)).toBe('rdi rsi rdx rcx r8 r9');
});

describe('arm64', () => {
  test('has no rules for sites, and says so', () => {
    expect(arm64.hasSiteRules).toBe(false);
    expect(arm64.decode(Uint8Array.of(0x1f, 0x20, 0x03, 0xd5), 0x1000, 8)).toEqual([]);
    expect([...arm64.effects(Uint8Array.of(0x1f, 0x20, 0x03, 0xd5))]).toEqual([]);
  });

  test('tells the nop of a USDT site from everything else', () => {
    expect(arm64.noteSite(Uint8Array.of(0x1f, 0x20, 0x03, 0xd5), 0x1000)).toMatchObject({ class: 'nop', text: 'nop' });
    expect(arm64.noteSite(Uint8Array.of(0xfd, 0x7b, 0xbf, 0xa9), 0x1000)).toMatchObject({ class: 'stepped' });
  });
});
