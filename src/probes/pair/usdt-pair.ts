/** Definitions made from data: a span between two USDT probes of one provider. */
import type { Binary } from '../../contract/binary.ts';
import type { Place, ProbeDefinition } from '../../contract/decision.ts';
import { notesOf, specEntries } from '../sites/argument-specs.ts';
import { type Pair, pairConfig, pairDefinition } from './pair.ts';

export interface UsdtPair extends Omit<Pair, 'places'> {
  readonly provider: string;
  readonly start: string;
  readonly end: string;
  /** A probe between the two that adds arguments. The first hit counts. */
  readonly during?: string;
  /** Whether to look at a program of this path. By default at any with the probes. */
  readonly programs?: (path: string) => boolean;
  readonly libraries: RegExp;
}

export function usdtPair(usdt: UsdtPair): ProbeDefinition {
  const { provider, start, during, end } = usdt;
  const note = (name: string): Place => ({ at: 'note', provider, name });
  const places = { start: note(start), end: note(end), ...(during === undefined ? {} : { during: note(during) }) };
  const pair: Pair = { ...usdt, places };
  const definition = pairDefinition(pair);
  return {
    ...definition,
    runtime: 'any',
    libraries: usdt.libraries,
    object: 'usdt',
    program: 'usdt_pair',
    sleepable: { object: 'usdt_sleepable', program: 'usdt_pair_sleepable' },
    needs: ['bpfLoop'],
    matches: (binary) =>
      (usdt.programs?.(binary.path) ?? true) &&
      [start, end].some((name) => notesOf(binary, { provider, name }).length > 0),
    constants: (binary) => ({
      found: true,
      bytes: pairConfig(pair),
      notes: unreadable(binary, usdt),
      entries: specEntries(binary, definition.points),
    }),
  };
}

/** Arguments that some site does not have. */
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
