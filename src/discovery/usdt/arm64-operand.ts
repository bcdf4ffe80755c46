import { integer, type Operand, offset } from './operand.ts';

/**
 * An AArch64 operand: `x20`, `w3`, `5`, `[sp, 96]`, `[x0, x1]`, `[x0, x1, lsl 3]`. GCC prints immediates without `#`, clang with it.
 */
export function arm64Operand(text: string): Operand {
  const register = fullRegister(text);
  if (register === 'zero') return { in: 'constant', value: 0n };
  if (register) return { in: 'register', register, shiftBits: 0 };
  const value = integer(text.replace(/^#/, ''));
  if (value !== undefined) return { in: 'constant', value };
  const match = /^\[\s*(\w+)\s*(?:,\s*([^,\]]+?)\s*(?:,\s*lsl\s+#?([0-3]))?)?\s*\]$/.exec(text);
  if (!match) return { why: 'its form is unknown' };
  const [, baseText, second, shift] = match;
  const base = addressRegister(baseText!);
  if (!base) return { why: `${baseText} holds no address` };
  const memory = { in: 'memory', base, scaleBits: Number(shift ?? 0) } as const;
  if (second === undefined) return { ...memory, index: undefined, offset: 0 };
  const index = second === 'sp' ? undefined : addressRegister(second);
  if (index) return { ...memory, index, offset: 0 };
  const plain = shift === undefined ? offset(second.replace(/^#/, '')) : undefined;
  if (plain === undefined) return { why: `${second} is not in the file` };
  return { ...memory, index: undefined, offset: plain };
}

function fullRegister(name: string): string | undefined {
  if (name === 'xzr' || name === 'wzr') return 'zero';
  if (name === 'sp' || name === 'wsp') return 'sp';
  const match = /^[xw](\d{1,2})$/.exec(name);
  return match && Number(match[1]) <= 30 ? `x${Number(match[1])}` : undefined;
}

function addressRegister(name: string): string | undefined {
  return name.startsWith('w') || name === 'xzr' ? undefined : fullRegister(name);
}
