import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Flow, type Handling, registerSet } from '../../src/discovery/isa/isa.ts';
import { decode as decodeSome } from '../../src/discovery/isa/x64/decode.ts';
import { disassemble } from '../../src/discovery/isa/x64/text.ts';
import { x64 } from '../../src/discovery/isa/x64/x64.ts';
import { bytesOf } from './sites-program.ts';

/**
 * What arch/x86/kernel/uprobes.c does with an instruction, from its source (6.1 to 6.18), not from ours: push_setup_xol_ops,
 * branch_setup_xol_ops, is_prefix_bad, uprobe_init_insn. `text` is what GNU objdump prints.
 */
const rows: readonly (readonly [hex: string, text: string, handling: Handling])[] = [
  ['50', 'push %rax', 'push'],
  ['53', 'push %rbx', 'push'],
  ['54', 'push %rsp', 'push'],
  ['55', 'push %rbp', 'push'],
  ['57', 'push %rdi', 'push'],
  ['4150', 'push %r8', 'push'],
  ['4157', 'push %r15', 'push'],
  // The emulation knows only REX.B.
  ['4855', 'rex.W push %rbp', 'stepped'],
  ['4957', 'rex.WB push %r15', 'stepped'],
  ['6655', 'push %bp', 'stepped'],
  ['6a01', 'push $0x1', 'stepped'],
  ['6801000000', 'push $0x1', 'stepped'],
  ['ff30', 'push (%rax)', 'stepped'],
  ['fff5', 'push %rbp', 'stepped'],
  ['0fa0', 'push %fs', 'stepped'],
  ['9c', 'pushf', 'stepped'],
  ['5d', 'pop %rbp', 'stepped'],
  ['7002', 'jo 0x1004', 'jcc'],
  ['7402', 'je 0x1004', 'jcc'],
  ['76fe', 'jbe 0x1000', 'jcc'],
  ['7f02', 'jg 0x1004', 'jcc'],
  ['0f8000010000', 'jo 0x1106', 'jcc'],
  ['0f8686040000', 'jbe 0x148c', 'jcc'],
  ['0f8ffaffffff', 'jg 0x1000', 'jcc'],
  ['660f8400010000', 'data16 je 0x1107', 'refused'],
  ['667402', 'data16 je 0x1005', 'refused'],
  ['2e7402', 'je,pn 0x1005', 'refused'],
  ['eb02', 'jmp 0x1004', 'jmp'],
  ['e900010000', 'jmp 0x1105', 'jmp'],
  ['f2e900010000', 'bnd jmp 0x1106', 'jmp'],
  ['66e900010000', 'data16 jmp 0x1106', 'refused'],
  ['ffe0', 'jmp *%rax', 'stepped'],
  ['ff2500010000', 'jmp *0x100(%rip) # 0x1106', 'stepped'],
  ['3effe0', 'notrack jmp *%rax', 'refused'],
  ['e800010000', 'call 0x1105', 'call'],
  ['66e800010000', 'data16 call 0x1106', 'refused'],
  ['666648e800010000', 'data16 data16 rex.W call 0x1108', 'refused'],
  ['ffd0', 'call *%rax', 'stepped'],
  ['ff12', 'call *(%rdx)', 'stepped'],
  ['90', 'nop', 'nop'],
  ['6690', 'xchg %ax,%ax', 'nop'],
  ['f390', 'pause', 'stepped'],
  ['4990', 'xchg %rax,%r8', 'refused'],
  ['4190', 'xchg %eax,%r8d', 'refused'],
  ['4891', 'xchg %rax,%rcx', 'stepped'],
  ['0f1f00', 'nopl (%rax)', 'stepped'],
  ['0f1f4000', 'nopl 0x0(%rax)', 'stepped'],
  ['0f1f440000', 'nopl 0x0(%rax,%rax,1)', 'stepped'],
  ['660f1f440000', 'nopw 0x0(%rax,%rax,1)', 'stepped'],
  ['662e0f1f840000000000', 'cs nopw 0x0(%rax,%rax,1)', 'refused'],
  ['f30f1efa', 'endbr64', 'stepped'],
  ['e202', 'loop 0x1004', 'stepped'],
  ['e002', 'loopne 0x1004', 'stepped'],
  ['e302', 'jrcxz 0x1004', 'stepped'],
  ['c3', 'ret', 'stepped'],
  ['c20800', 'ret $0x8', 'stepped'],
  ['c9', 'leave', 'stepped'],
  ['cc', 'int3', 'refused'],
  ['0f0b', 'ud2', 'stepped'],
  ['4c8d6424c8', 'lea -0x38(%rsp),%r12', 'stepped'],
  ['4883ec18', 'sub $0x18,%rsp', 'stepped'],
  ['4989c0', 'mov %rax,%r8', 'stepped'],
  ['31c0', 'xor %eax,%eax', 'stepped'],
  ['4885d2', 'test %rdx,%rdx', 'stepped'],
  ['493b6610', 'cmp 0x10(%r14),%rsp', 'stepped'],
  ['f0ff00', 'lock incl (%rax)', 'refused'],
  ['648b042500000000', 'mov %fs:0x0,%eax', 'stepped'],
];

const base = 0x1000;
const decode = (code: Uint8Array, address: number) => decodeSome(code, address, 100);

test.each(rows)('%s (%s) is %s', (hex, _text, handling) => {
  const bytes = bytesOf(hex);
  const [instruction] = decode(bytes, base);
  expect(instruction).toMatchObject({ address: base, length: bytes.length, class: handling });
});

test("the table says what GNU binutils' objdump reads in the same bytes", () => {
  const read = rows.map(([hex]) => [hex, ...objdump(bytesOf(hex))]);
  expect(read).toEqual(rows.map(([hex, text]) => [hex, text]));
});

describe('control flow', () => {
  const flow = (hex: string) => {
    const [{ target, flow: goes } = {} as never] = decode(bytesOf(hex), base);
    const is = (kind: Flow) => goes === kind;
    return { target, leaves: is('leaves'), conditional: is('branch'), call: is('call') };
  };
  const none = { target: undefined, leaves: false, conditional: false, call: false };

  test('direct branches and calls have a target', () => {
    expect(flow('7402')).toEqual({ ...none, target: 0x1004, conditional: true });
    expect(flow('eb fe')).toEqual({ ...none, target: 0x1000, leaves: true });
    expect(flow('e8 00 01 00 00')).toEqual({ ...none, target: 0x1105, call: true });
  });

  test('indirect ones have none', () => {
    expect(flow('ff d0')).toEqual({ ...none, call: true });
    expect(flow('ff e0')).toEqual({ ...none, leaves: true });
  });

  test('loop and jrcxz are conditional', () => {
    expect(flow('e2 02')).toMatchObject({ conditional: true, leaves: false });
    expect(flow('e3 02')).toMatchObject({ conditional: true, leaves: false });
  });

  test.each(['c3', 'c2 08 00', '0f 0b'])('nothing follows %s', (hex) => {
    expect(flow(hex)).toEqual({ ...none, leaves: true });
  });
});

test.each([
  ['48 89 d8', true], // mov %rbx,%rax
  ['88 c4', true], // mov %al,%ah: part of RAX
  ['41 31 c0', true], // xor %eax,%r8d
  ['49 89 e4', false], // mov %rsp,%r12
  ['48 89 44 24 08', false], // mov %rax,0x8(%rsp)
  ['48 39 d8', false], // cmp %rbx,%rax
  ['48 87 d8', true], // xchg %rbx,%rax
  ['0f 44 c1', true], // cmove %ecx,%eax: perhaps
])('%s writes an argument register: %s', (hex, writes) => {
  const [effects] = x64.effects(bytesOf(hex));
  expect((effects!.writes & registerSet(x64.goRegisters)) !== 0).toBe(writes);
});

test.each([
  ['48 85 db', { tests: 'rbx' }], // test %rbx,%rbx
  ['84 c0', { tests: 'rax' }], // test %al,%al
  ['48 85 d8', {}], // test %rbx,%rax
  ['48 89 5c 24 68', { saves: ['rbx', 0x68] }], // mov %rbx,0x68(%rsp)
  ['89 5c 24 68', {}], // mov %ebx,0x68(%rsp)
  ['48 89 5d 08', {}], // mov %rbx,0x8(%rbp)
  ['8b 47 34', { reads: ['rdi', 0x34, 4] }], // mov 0x34(%rdi),%eax
  ['b9 20 2a 00 00', { sets: ['rcx', 0x2a20] }], // mov $0x2a20,%ecx
  ['83 f0 01', { negates: 'rax' }], // xor $1,%eax
  ['34 01', { negates: 'rax' }], // xor $1,%al
  ['83 f0 03', {}], // xor $3,%eax
  ['31 c0', {}], // xor %eax,%eax
])('%s does to registers: %o', (hex, expected) => {
  const [{ tests, saves, reads, sets, negates } = {} as never] = x64.effects(bytesOf(hex));
  const told = {
    ...(tests === undefined ? {} : { tests: x64.registers[tests] }),
    ...(saves ? { saves: [x64.registers[saves.register], saves.offset] } : {}),
    ...(reads ? { reads: [x64.registers[reads.base], reads.offset, reads.bytes] } : {}),
    ...(sets ? { sets: [x64.registers[sets.register], sets.value] } : {}),
    ...(negates === undefined ? {} : { negates: x64.registers[negates] }),
  };
  expect(told).toEqual(expected);
});

describe('decode', () => {
  test('gives one instruction after another', () => {
    const addresses = [...decode(bytesOf('55 48 89 e5 0f 1f 44 00 00 c3'), base)].map(({ address }) => address);
    expect(addresses).toEqual([0x1000, 0x1001, 0x1004, 0x1009]);
  });

  test('ends at what is no instruction, and where one is cut', () => {
    expect([...decode(bytesOf('55 06 55'), base)]).toHaveLength(1); // push %es: not in 64-bit mode
    expect([...decode(bytesOf('55 e8 00 00'), base)]).toHaveLength(1);
    expect([...decode(new Uint8Array(0), base)]).toEqual([]);
  });

  test('is exact for addresses above 4 GiB', () => {
    const [instruction] = decode(bytesOf('e8 fb ff ff ff'), 0x7fff_0000_1000);
    expect(instruction).toMatchObject({ address: 0x7fff_0000_1000, target: 0x7fff_0000_1000 });
  });
});

describe('disassemble', () => {
  const text = (hex: string, name?: string) => disassemble(bytesOf(hex), base, base, () => name);

  test('names the target of a call or branch where the name is known', () => {
    expect(text('e8 00 01 00 00', 'net/http.(*conn).hijacked')).toBe('call net/http.(*conn).hijacked');
    expect(text('e9 00 01 00 00', 'main.next')).toBe('jmp main.next');
  });

  test('else prints it as a lower-case number without leading zeros', () => {
    expect(text('e8 9a 0d 60 00')).toBe('call 0x601d9f');
    expect(text('0f 86 86 04 00 00')).toBe('jbe 0x148c');
  });

  test('an indirect call has no name', () => {
    expect(text('ff d0', 'never')).toBe('call *%rax');
  });
});

/** Intel's reading of 16-bit branches. */
function objdump(bytes: Uint8Array): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'uspan-sites-'));
  try {
    const file = join(directory, 'code');
    writeFileSync(file, bytes);
    const args = [
      '-D',
      '-z',
      '-b',
      'binary',
      '-m',
      'i386:x86-64',
      '-Mintel64',
      `--adjust-vma=${base}`,
      '--insn-width=15',
      file,
    ];
    const lines = execFileSync('objdump', args).toString().split('\n');
    return lines
      .map((line) => /^ +[0-9a-f]+:\t[0-9a-f ]+\t(.+)$/.exec(line)?.[1])
      .filter((text) => text !== undefined)
      .map((text) => text.replaceAll(/\s+/g, ' ').trim());
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
