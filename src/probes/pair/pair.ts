/**
 * Spans between two sites that one thread reaches one after the other, made from data. This is what bpf/usdt/pair.h needs to know of them.
 */
import type { AttributeKey } from '../../contract/attribute-key.ts';
import type { Place, Point, ProbeDefinition } from '../../contract/decision.ts';
import { spanWriter } from '../../semconv/span-table.ts';
import { Constant, EventKind, PairCapture, PairCaptureKind, PairConfig, PairMoment } from '../layout.gen.ts';
import { openSpans } from '../open-spans.ts';
import { pairSpan } from './pair-span.ts';

/** Type of an argument: an integer of a width, a float, a C string, or an address for people. */
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
  /** For strings without a NUL: the argument that has their length. */
  readonly lengthArgument?: number;
}

/** A piece of a span's name: a text, or the value of `arguments[index]`. */
export type NamePiece = string | number;

export interface Pair {
  /** Name of the definition: `jvm/gc`. */
  readonly name: string;
  readonly library: string;
  readonly versions: string;
  readonly places: {
    readonly start: Place;
    readonly end: Place;
    /** A probe between the two that adds arguments. The first hit counts. */
    readonly during?: Place;
  };
  readonly spanName: readonly NamePiece[];
  /** At most 12. */
  readonly arguments: readonly PairArgument[];
  readonly minDurationNs: number;
  /** 0: no limit. */
  readonly maxPerSecond: number;
}

const moments = { start: PairMoment.START, during: PairMoment.DURING, end: PairMoment.END } as const;
/** In the order in which their sites are reached. */
const order = ['start', 'during', 'end'] as const;

/** What the definitions of all pairs share. Places and arguments are still to be added. */
export function pairDefinition(pair: Pair) {
  const captures = capturesOf(pair);
  const spanName = pair.spanName.map((piece) =>
    typeof piece === 'string' ? piece : captures.indexOf(pair.arguments[piece]!),
  );
  const points = pointsOf(pair);
  return {
    name: pair.name,
    library: pair.library,
    versions: pair.versions,
    hitsPerSpan: points.length,
    configMap: 'pair_configs',
    inFlight: [openSpans('open_pairs', EventKind.PAIR)],
    // Half of it is for threads whose last pair has ended.
    entriesPerRequest: { open_pairs: 2 },
    recordKinds: [EventKind.PAIR],
    points,
    write: spanWriter(pairSpan(spanName, captures)),
  } satisfies Partial<ProbeDefinition>;
}

function capturesOf(pair: Pair): PairArgument[] {
  return order.flatMap((of) => pair.arguments.filter((argument) => argument.of === of));
}

function pointsOf({ places }: Pair): Point[] {
  const point = (name: keyof typeof moments, place: Place): Point => ({
    moment: moments[name],
    name,
    place,
    required: name !== 'during',
    purpose: name === 'during' ? 'what it tells of the span' : `the ${name} of every span`,
  });
  const { start, during, end } = places;
  return [point('start', start), ...(during === undefined ? [] : [point('during', during)]), point('end', end)];
}

/** `struct uspan_pair_config`. */
export function pairConfig(pair: Pair): Uint8Array {
  const captures = capturesOf(pair);
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
  return bytes;
}
