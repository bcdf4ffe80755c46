import type { UsdtLocation } from '../../contract/binary.ts';

/** What an operand means, or why its value is unreadable. */
export type Operand = UsdtLocation | { readonly why: string };

/** What the parsers of operands need to know about their site. */
export interface Surroundings {
  /** Link-time virtual address of the site. */
  readonly siteAddress: number;
  /** Link-time virtual address of a variable of the file, if there is exactly one of that name. */
  readonly variables: (name: string) => number | undefined;
}

/** Larger offsets and constants are invalid: addresses have 64 bits. */
const maxDigits = 20;

/** Sum of integers as assemblers write it, `-8`, `0x10`, `12+4`. 0 for an empty text. Undefined if it is not such a sum. */
export function integer(text: string): bigint | undefined {
  if (text === '') return 0n;
  const terms = text.match(/[+-]?(?:0x[0-9a-f]+|\d+)/gi) ?? [];
  if (terms.join('') !== text || terms.some((term) => term.length > maxDigits + 1)) return undefined;
  return terms.reduce((sum, term) => {
    const value = BigInt(term.replace(/^[+-]/, ''));
    return term.startsWith('-') ? sum - value : sum + value;
  }, 0n);
}

/** The same as a number, for offsets. */
export function offset(text: string): number | undefined {
  const value = integer(text);
  return value !== undefined && value >= -(2n ** 52n) && value <= 2n ** 52n ? Number(value) : undefined;
}
