/** Definitions made from data: a span between two USDT probes of one provider. */
import type { AttributeKey } from '../../contract/attribute-key.ts';
import type { Binary } from '../../contract/binary.ts';
import type { Constants, Point, ProbeDefinition } from '../../contract/decision.ts';
import { spanWriter } from '../../semconv/span-table.ts';
import { Constant, EventKind, PairCapture, PairCaptureKind, PairConfig, PairMoment } from '../layout.gen.ts';
import { openSpans } from '../open-spans.ts';
import { notesOf, specEntries } from '../sites/argument-specs.ts';
import { pairSpan } from './pair-span.ts';

/** What an argument is: an integer of a width, a float, a C string, or an address for people. */
export const argumentTypes = [
  ...(['i8', 'i16', 'i32', 'i64', 'u8', 'u16', 'u32', 'u64', 'f32', 'f64'] as const),
  ...(['bool', 'pointer', 'string'] as const),
] as const;
export type ArgumentType = (typeof argumentTypes)[number];

/** An argument that becomes an attribute. */
export interface PairArgument {
  readonly key: AttributeKey;
  /** The probe whose argument it is. */
  readonly of: 'start' | 'during' | 'end';
  /** Counted from 0. */
  readonly argument: number;
  readonly type: ArgumentType;
  /** For strings without a NUL: the argument that tells their length. */
  readonly lengthArgument?: number;
}

/** A piece of a span's name: as it stands, or the value of `arguments[index]`. */
export type NamePiece = string | number;

export interface UsdtPair {
  /** Of the definition: `jvm/gc`. */
  readonly name: string;
  readonly library: string;
  readonly versions: string;
  readonly provider: string;
  readonly start: string;
  readonly end: string;
  /** A probe between the two that tells more: the first of it counts. */
  readonly during?: string;
  /** Whether a program of this path is looked at; default: any with the probes. */
  readonly programs?: (path: string) => boolean;
  readonly libraries: RegExp;
  readonly spanName: readonly NamePiece[];
  /** At most 12. */
  readonly arguments: readonly PairArgument[];
  readonly minDurationNs: number;
  /** 0: no limit. */
  readonly maxPerSecond: number;
}

const moments = { start: PairMoment.START, during: PairMoment.DURING, end: PairMoment.END } as const;
/** In the order in which their probes are reached, as the program keeps texts. */
const order = ['start', 'during', 'end'] as const;

export function usdtPair(pair: UsdtPair): ProbeDefinition {
  const points = pointsOf(pair);
  const captures = order.flatMap((of) => pair.arguments.filter((argument) => argument.of === of));
  const spanName = pair.spanName.map((piece) =>
    typeof piece === 'string' ? piece : captures.indexOf(pair.arguments[piece]!),
  );
  return {
    name: pair.name,
    library: pair.library,
    versions: pair.versions,
    runtime: 'any',
    libraries: pair.libraries,
    hitsPerSpan: points.length,
    object: 'usdt',
    program: 'usdt_pair',
    sleepable: { object: 'usdt_sleepable', program: 'usdt_pair_sleepable' },
    configMap: 'pair_configs',
    inFlight: [openSpans('open_pairs', EventKind.PAIR)],
    // Half of it for threads whose last pair is over.
    entriesPerRequest: { open_pairs: 2 },
    recordKinds: [EventKind.PAIR],
    points,
    matches: (binary) =>
      (pair.programs?.(binary.path) ?? true) &&
      [pair.start, pair.end].some((name) => notesOf(binary, { provider: pair.provider, name }).length > 0),
    constants: (binary) => constants(binary, pair, captures, points),
    write: spanWriter(pairSpan(spanName, captures)),
  };
}

function pointsOf({ provider, start, during, end }: UsdtPair): Point[] {
  const point = (name: keyof typeof moments, probe: string): Point => ({
    moment: moments[name],
    name,
    place: { at: 'note', provider, name: probe },
    required: name !== 'during',
    purpose: name === 'during' ? 'what it tells of the span' : `the ${name} of every span`,
  });
  return [point('start', start), ...(during === undefined ? [] : [point('during', during)]), point('end', end)];
}

/** `struct uspan_pair_config`. */
function constants(
  binary: Binary,
  pair: UsdtPair,
  captures: readonly PairArgument[],
  points: readonly Point[],
): Constants {
  const bytes = new Uint8Array(PairConfig.size);
  const view = new DataView(bytes.buffer);
  const periodNs = pair.maxPerSecond > 0 ? Math.round(1e9 / pair.maxPerSecond) : 0;
  view.setUint32(PairConfig.captures, captures.length, true);
  view.setBigUint64(PairConfig.minDurationNs, BigInt(pair.minDurationNs), true);
  view.setBigUint64(PairConfig.periodNs, BigInt(periodNs), true);
  // A second's worth may come at once.
  view.setBigUint64(PairConfig.burstNs, BigInt(periodNs && 1_000_000_000 - periodNs), true);
  captures.slice(0, Constant.PAIR_CAPTURES).forEach(({ of, type, argument, lengthArgument }, index) => {
    const at = PairConfig.capture + index * PairCapture.size;
    bytes[at + PairCapture.kind] =
      type !== 'string'
        ? PairCaptureKind.NUMBER
        : lengthArgument === undefined
          ? PairCaptureKind.STRING
          : PairCaptureKind.TEXT;
    bytes[at + PairCapture.moment] = moments[of];
    bytes[at + PairCapture.argument] = argument;
    bytes[at + PairCapture.lengthArgument] = lengthArgument ?? 0;
  });
  return { found: true, bytes, notes: unreadable(binary, pair), entries: specEntries(binary, points) };
}

/** Arguments that some site does not give. */
function unreadable(binary: Binary, pair: UsdtPair): string[] {
  return pair.arguments.flatMap(({ key, of, argument }) => {
    const name = pair[of];
    const notes = name === undefined ? [] : notesOf(binary, { provider: pair.provider, name });
    const reasons = notes.map((note) => {
      const given = note.arguments[argument];
      if (!given) return `${note.provider}:${note.name} has ${note.arguments.length} arguments`;
      return given.readable ? undefined : `${given.text}: ${given.why}`;
    });
    const first = reasons.find((reason) => reason !== undefined);
    if (first === undefined) return [];
    const where = reasons.every((reason) => reason !== undefined) ? 'never' : 'not at every site';
    return [`${key.text} is ${where} recorded: ${first}`];
  });
}
