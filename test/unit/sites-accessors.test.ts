import { expect, test } from 'vitest';
import { firstFieldRead, returnedConstant } from '../../src/probes/sites/accessors.ts';
import { programOf } from './sites-program.ts';

function fieldRead(hex: string, bytes: 1 | 4 | 8) {
  const program = programOf({ f: hex });
  return firstFieldRead(program, program.symbols.find('f')!, bytes);
}

function constant(hex: string) {
  const program = programOf({ f: hex });
  return returnedConstant(program, program.symbols.find('f')!);
}

// Compiled functions of SQLite: int busy(Vdbe *v) { return v != 0 && v->eVdbeState == 2; }, char *sql(Vdbe *v) { return v ? v->zSql : 0; }, …
test.each([
  ['test %rdi,%rdi; je; mov 0xf8(%rdi),%rax; ret', '4885ff 7409 488b87f8000000 c3', 8, 0xf8],
  [
    'push %rbp; mov %rsp,%rbp; xor %eax,%eax; test; je; cmpb $2,0xc7(%rdi)',
    '55 4889e5 31c0 4885ff 740a 80bfc700000002',
    1,
    0xc7,
  ],
  ['movzbl 0xc7(%rdi),%eax', '0fb687c7000000', 1, 0xc7],
  ['mov (%rdi),%rbx; mov 0x34(%rdi),%r13d', '488b1f 448b6f34', 4, 0x34],
  ['mov 0x8(%rsi),%rax; mov 0x10(%rdi),%rax: another base first', '488b4608 488b4710', 8, 0x10],
] as const)('%s', (_, hex, bytes, offset) => {
  expect(fieldRead(hex, bytes)).toBe(offset);
});

test.each([
  ['no code', '', 8],
  ['an invalid instruction before it', '06 488b4708', 8],
  ['another width only', '488b4708 c3', 4],
  ['a negative offset', '488b47f8 c3', 8],
  ['an offset that no structure has', '488b8700000100 c3', 8],
  ['an index', '488b04f7 c3', 8],
] as const)('%s: undefined', (_, hex, bytes) => {
  expect(fieldRead(hex, bytes)).toBeUndefined();
});

// Compiled functions: size_t SelfSize() const { return sizeof(*this); }
test.each([
  ['mov $0x2a20,%eax; ret', 'b8202a0000 c3', 0x2a20],
  ['push %rbp; mov %rsp,%rbp; mov $0x2a20,%eax; pop %rbp; ret', '55 4889e5 b8202a0000 5d c3', 0x2a20],
  ['endbr64; mov $0x2a20,%eax; ret', 'f30f1efa b8202a0000 c3', 0x2a20],
] as const)('the constant that a function returns: %s', (_, hex, value) => {
  expect(constant(hex)).toBe(value);
});

test.each([
  ['no code', ''],
  ['another register', 'b9202a0000 c3'],
  ['only as a part of another instruction: mov 0xb8(%rdi),%rax', '488b87b8000000 c3'],
  ['behind its end', 'c3 b8202a0000'],
  ['cut off', 'b8202a'],
] as const)('no constant: %s', (_, hex) => {
  expect(constant(hex)).toBeUndefined();
});
