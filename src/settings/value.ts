import { accessSync, constants } from 'node:fs';
import { UspanError } from '../contract/errors.ts';

/**
 * A kind of value that a flag or an environment variable takes. It is written by hand: a schema library costs 10 MB of memory and 0.15 s at
 * every start, for a handful of numbers and words.
 */
export interface Value<out T> {
  /** For people. It completes "must be …". */
  readonly allowed: string;
  /** Such a text is never shown in an error, because it may hold a password. */
  readonly isSecret?: (text: string) => boolean;
  /** Undefined if the text is not such a value. */
  parse(text: string): T | undefined;
}

/** Decimal digits only: no sign, no exponent, no unit. */
export function wholeNumber(min: number, max: number): Value<number> {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) =>
      /^[0-9]{1,16}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined,
  };
}

export function powerOfTwo(min: number, max: number): Value<number> {
  const number = wholeNumber(min, max);
  return {
    allowed: `a power of two from ${min} to ${max}`,
    parse: (text) => {
      const value = number.parse(text);
      return value !== undefined && Number.isInteger(Math.log2(value)) ? value : undefined;
    },
  };
}

/** A decimal fraction from 0 to 1. */
export const ratio: Value<number> = {
  allowed: 'a number from 0 to 1',
  parse: (text) =>
    /^([0-9]+\.?[0-9]*|\.[0-9]+)(e-[0-9]+)?$/i.test(text) && Number(text) <= 1 ? Number(text) : undefined,
};

export function oneOf<const T extends string>(words: readonly T[]): Value<T> {
  return {
    allowed: `one of ${words.join(', ')}`,
    parse: (text) => words.find((word) => word === text),
  };
}

/** @param what e.g. `the path of a file` */
export function text(what: string, maxChars: number): Value<string> {
  return {
    allowed: `${what}, not empty and at most ${maxChars} characters`,
    parse: (given) => (given.trim() !== '' && given.length <= maxChars ? given : undefined),
  };
}

/** Any text. Another setting decides what is allowed. */
export const plainText: Value<string> = { allowed: 'a text', parse: (given) => given };

/** A boolean of the OpenTelemetry specification, in any case. A text that is neither word is refused, and not taken for false. */
export const truth: Value<boolean> = {
  allowed: 'true or false',
  parse: (given) => ({ true: true, false: false })[given.toLowerCase()],
};

export const readableFile: Value<string> = {
  allowed: 'the path of a file that can be read',
  parse: (given) => {
    try {
      accessSync(given, constants.R_OK);
      return given;
    } catch {
      return undefined;
    }
  },
};

/** @throws UspanError E_USAGE that names the flag or variable, the value, and what is allowed */
export function parseValue<T>(name: string, value: Value<T>, given: string): T {
  const parsed = value.parse(given);
  if (parsed !== undefined) return parsed;
  const shown = given.length > 80 ? `${given.slice(0, 80)}…` : given;
  const is = value.isSecret?.(given) ? 'has a value' : `is ${JSON.stringify(shown)}`;
  throw new UspanError('E_USAGE', `${name} ${is}, but must be ${value.allowed}`);
}
