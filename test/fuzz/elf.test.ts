import { beforeAll, describe, expect, test } from 'vitest';
import { buildCorpus, type Seed } from './corpus.ts';
import { exercise } from './exercise.ts';
import { type Mutant, overlappingLoads, randomMutant, sweepHeaders, truncations } from './mutate.ts';
import { randomFrom } from './random.ts';

/** What became of the mutants, by outcome. An error names the mutant. */
function outcomes(seed: Seed, mutants: Iterable<Mutant>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { what, bytes } of mutants) {
    let outcome: string;
    try {
      outcome = exercise(bytes);
    } catch (error) {
      throw new Error(`${seed.name}: ${what}`, { cause: error });
    }
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return counts;
}

describe('a malformed file is refused with a UspanError or read, never more', () => {
  let corpus: Seed[];

  beforeAll(() => {
    corpus = buildCorpus();
  });

  test('the corpus itself is read', () => {
    expect(corpus.map(({ bytes }) => exercise(bytes))).toEqual(['read', 'read', 'read', 'read', 'read']);
  });

  test('every header field at every edge value', () => {
    const [small] = corpus;
    const counts = outcomes(small!, sweepHeaders(small!));
    expect([...counts.keys()].sort()).toEqual(['E_ELF_FORMAT', 'E_ELF_UNSUPPORTED', 'read']);
  });

  test('a file cut anywhere', () => {
    for (const seed of corpus) {
      const counts = outcomes(seed, truncations(seed));
      expect(counts.get('E_ELF_FORMAT')).toBeGreaterThan(5);
    }
  });

  test('segments that overlap', () => {
    for (const seed of corpus) expect(outcomes(seed, [overlappingLoads(seed)]).size).toBe(1);
  });

  test('random damage, always the same', () => {
    const random = randomFrom(20_261_121);
    for (const seed of corpus) {
      const mutants = Array.from({ length: 150 }, () => randomMutant(seed, random));
      expect(outcomes(seed, mutants).get('read')).toBeGreaterThan(0);
    }
  });
});
