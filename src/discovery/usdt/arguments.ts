import type { Machine, UsdtArgument } from '../../contract/binary.ts';
import { arm64Operand } from './arm64-operand.ts';
import type { Operand, Surroundings } from './operand.ts';
import { x64Operand } from './x64-operand.ts';

/** sdt.h has no macro for more arguments. */
const maxArguments = 12;

/**
 * Parses the arguments of a note. Each is `N@OPERAND`. N is the size in bytes (1, 2, 4, 8), negative for signed integers, with an `f`
 * behind it for floating-point numbers (sdt.h 4.x). The operand is the assembler's text for the machine. The size decides, not the width of
 * a register's name. An unreadable argument says why, and does not affect the others.
 */
export function parseArguments(text: string, place: Surroundings & { readonly machine: Machine }): UsdtArgument[] {
  const operandOf = place.machine === 'x64' ? x64Operand : arm64Operand;
  return split(text).map((argument) => {
    const unreadable = (why: string): UsdtArgument => ({ text: argument, readable: false, why });
    const match = /^(-?)([1248])(f?)@(.+)$/.exec(argument);
    if (!match) return unreadable('its size is not 1, 2, 4 or 8 bytes');
    const [, minus, digit, float, operand] = match;
    const bytes = Number(digit) as 1 | 2 | 4 | 8;
    if (float && bytes < 4) return unreadable(`no floating-point number has ${bytes} bytes`);
    const location: Operand = operandOf(operand!, place);
    if ('why' in location) return unreadable(location.why);
    const kind = float ? 'float' : minus ? 'signed' : 'unsigned';
    return { text: argument, readable: true, bytes, kind, location };
  });
}

/** Splits by spaces, but not inside an operand: `8@[sp, 96] -4@5`. Some tools put a colon in front. */
function split(text: string): string[] {
  const all = text.replace(/^[\s:]+/, '').trimEnd();
  return all === '' ? [] : all.split(/\s+(?=-?\d+f?@)/, maxArguments);
}
