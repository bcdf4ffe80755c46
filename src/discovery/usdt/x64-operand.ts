import { integer, type Operand, offset, type Surroundings } from './operand.ts';

/**
 * An x86-64 operand in AT&T syntax: `%edi`, `$42`, `-8(%rbp)`, `(%rdi,%rsi,4)`, `40+table(%rip)`. GNU as manual, "i386-Memory". A variable
 * is addressed from the site, because its distance from the code is fixed.
 */
export function x64Operand(text: string, { siteAddress, variables }: Surroundings): Operand {
  if (text.startsWith('$')) {
    const value = integer(text.slice(1));
    return value === undefined ? { why: `the value of ${text} is not in the file` } : { in: 'constant', value };
  }
  if (text.includes(':')) return { why: 'it is thread-local' };
  if (text.startsWith('%')) {
    const register = registers.get(text.slice(1));
    return register ? { in: 'register', ...register } : { why: `${text} is no general-purpose register` };
  }
  const match = /^([^()]*)(?:\((%\w+)?\s*(?:,\s*(%\w+)\s*(?:,\s*([1248]))?)?\))?$/.exec(text);
  if (!match) return { why: 'its form is unknown' };
  const [, displacement = '', baseText, indexText, scale = '1'] = match;
  const base = baseText === '%rip' ? 'site' : full(baseText);
  const index = full(indexText);
  if (base === null || index === null || index === 'rsp') return { why: `${baseText ?? indexText} holds no address` };
  const scaleBits = Math.log2(Number(scale));

  const plain = offset(displacement);
  if (plain !== undefined && base !== 'site') return { in: 'memory', base, index, scaleBits, offset: plain };
  if (plain !== undefined) return { why: 'it is relative to an instruction that is not the site' };
  const symbol = symbolAndOffset(displacement);
  if (!symbol) return { why: 'its form is unknown' };
  const address = variables(symbol.name);
  if (address === undefined) return { why: `${symbol.name} is not in the symbol table, or more than once` };
  // Beside a register, a symbol is an absolute address: the code is not position independent.
  if (base !== 'site' && base !== undefined) {
    return { in: 'memory', base, index, scaleBits, offset: address + symbol.offset };
  }
  return { in: 'memory', base: 'site', index, scaleBits, offset: address + symbol.offset - siteAddress };
}

/** `40+CheckpointStats`, `table+8`, `cache.0-4`, but not what is reached through the GOT (`name@GOTPCREL`). */
function symbolAndOffset(text: string): { name: string; offset: number } | undefined {
  const match = /^([+-]?[\dx]+(?=\+))?\+?([A-Za-z_.$][\w.$]*)([+-][\w+-]+)?$/.exec(text);
  if (!match) return undefined;
  const [, before = '', name, after = ''] = match;
  const sum = [offset(before), offset(after)];
  if (sum.includes(undefined)) return undefined;
  return { name: name!, offset: sum[0]! + sum[1]! };
}

/** The 64-bit register that holds part of an address. Undefined: no register. Null: one that cannot. */
function full(text: string | undefined): string | undefined | null {
  if (text === undefined) return undefined;
  const name = text.slice(1);
  return fullNames.includes(name) ? name : null;
}

const fullNames = 'rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

/** Every name of a part of a general-purpose register. */
const registers = new Map<string, { readonly register: string; readonly shiftBits: number }>();
for (const register of fullNames) {
  const add = (...names: string[]) => names.map((name) => registers.set(name, { register, shiftBits: 0 }));
  const short = register.slice(1);
  add(register);
  if (/^\d/.test(short)) add(`${register}d`, `${register}w`, `${register}b`);
  else if (short.endsWith('x')) {
    add(`e${short}`, short, `${short[0]}l`);
    registers.set(`${short[0]}h`, { register, shiftBits: 8 });
  } else add(`e${short}`, short, `${short}l`);
}
