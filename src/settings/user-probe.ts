import type { ConfigNode } from './config-node.ts';

/** An argument of a USDT probe that becomes an attribute. */
export interface UserArgument {
  /** The attribute's name. */
  readonly name: string;
  readonly of: 'start' | 'during' | 'end';
  /** Counted from 0. */
  readonly argument: number;
  readonly type: (typeof argumentTypes)[number];
  /** The argument that has a string's length, if the string has no NUL at its end. */
  readonly lengthArgument: number | undefined;
}

/** A pair of USDT probes that a user declares. */
export interface UserProbe {
  /** Texts and, as numbers, indexes into `arguments`. */
  readonly spanName: readonly (string | number)[];
  /** The name as it is written in the file. */
  readonly template: string;
  readonly provider: string;
  readonly start: string;
  readonly during: string | undefined;
  readonly end: string;
  /** Glob of the file that has the probes. */
  readonly file: string | undefined;
  readonly arguments: readonly UserArgument[];
  readonly minDurationNs: number;
  /** 0: no limit. */
  readonly maxPerSecond: number;
}

/** Integers by width, floats, and what else an argument can be. */
export const argumentTypes = [
  ...(['i8', 'i16', 'i32', 'i64', 'u8', 'u16', 'u32', 'u64'] as const),
  ...(['f32', 'f64', 'bool', 'pointer', 'string'] as const),
] as const;

const maxArguments = 12;
/** Of an attribute key. */
const maxNameBytes = 127;

/** One of `probes:`. */
export function readProbe(node: ConfigNode): UserProbe {
  const fields = node.fields(['span', 'usdt', 'in', 'args', 'min_duration', 'max_per_second']);
  const { span, usdt } = fields;
  if (!span) return node.refuse('has no span, the name of its spans');
  if (!usdt) return node.refuse('has no usdt, the probes it is made of');
  const { provider, start, during, end } = usdt.fields(['provider', 'start', 'during', 'end']);
  if (!provider || !start || !end) return usdt.refuse('must have provider, start and end');
  const userArguments = (fields.args?.entries() ?? []).map(([name, each]) => readArgument(name, each));
  if (userArguments.length > maxArguments) return fields.args!.refuse(`has more than ${maxArguments} arguments`);
  if (!during && userArguments.some(({ of }) => of === 'during')) return usdt.refuse('has no during, but args want it');
  const names = userArguments.map(({ name }) => name);
  return {
    template: span.text(),
    spanName: readTemplate(span, names),
    provider: provider.text(),
    start: start.text(),
    during: during?.text(),
    end: end.text(),
    file: fields.in?.fields(['file']).file?.text(),
    arguments: userArguments,
    minDurationNs: fields.min_duration?.durationNs() ?? 0,
    maxPerSecond: fields.max_per_second?.integer(1, 1_000_000) ?? 0,
  };
}

/** `{ arg: 0, type: string, of: end, length: 1 }`. */
function readArgument(name: string, node: ConfigNode): UserArgument {
  if (Buffer.byteLength(name) > maxNameBytes) return node.refuse(`has a name of more than ${maxNameBytes} bytes`);
  const { arg, type, of, length } = node.fields(['arg', 'type', 'of', 'length']);
  if (!arg || !type) return node.refuse('must have arg, its number from 0, and type');
  const known = type.oneOf(argumentTypes);
  if (length && known !== 'string') return length.refuse('is for strings only');
  return {
    name,
    argument: arg.integer(0, maxArguments - 1),
    type: known,
    of: of?.oneOf(['start', 'during', 'end']) ?? 'start',
    lengthArgument: length?.integer(0, maxArguments - 1),
  };
}

/** `checkout {user}`: what is in braces is the name of an argument. */
function readTemplate(node: ConfigNode, names: readonly string[]): (string | number)[] {
  const pieces = node.text().split(/\{([^{}]*)\}/);
  const read = pieces.map((piece, at) => {
    if (at % 2 === 0) return /[{}]/.test(piece) ? node.refuse('has a brace without its other') : piece;
    const index = names.indexOf(piece);
    return index < 0 ? node.refuse(`names {${piece}}, which is none of its args`) : index;
  });
  return read.filter((piece) => piece !== '');
}
