import { expect, test } from 'vitest';
import { firstFieldRead } from '../../src/probes/sites/field-access.ts';

const code = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

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
  expect(firstFieldRead(code(hex), bytes)).toBe(offset);
});

test.each([
  ['no code', '', 8],
  ['an invalid instruction before it', '06 488b4708', 8],
  ['another width only', '488b4708 c3', 4],
  ['a negative offset', '488b47f8 c3', 8],
  ['an offset that no structure has', '488b8700000100 c3', 8],
  ['an index', '488b04f7 c3', 8],
] as const)('%s: undefined', (_, hex, bytes) => {
  expect(firstFieldRead(code(hex), bytes)).toBeUndefined();
});
