/** Every BPF object loads in every configuration that the agent can ask for, within a budget of instructions that the verifier walks. */
import { describe, expect, test } from 'vitest';
import { describeKernel } from '../kernel/native-fixture.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { builtObjects, configurationsOf, linkKinds, verifiedInstructions } from './verifier-configurations.ts';
import measured from './verifier-measured.json' with { type: 'json' };

/**
 * How much a program may grow over its measured size. The kernel's own limit is a million. `node scripts/measure-verifier.ts` measures
 * again.
 */
const headRoom = 1.3;
const programs: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>> = measured;

test('every object that is built is in the table', () => {
  expect(builtObjects()).toEqual(Object.keys(programs).sort());
});

/** Of the measured kernels, the one that walks most. */
function budgetOf(object: string, program: string): number {
  return Math.ceil(headRoom * Math.max(...Object.values(programs[object]?.[program] ?? {})));
}

describeKernel('loading', () => {
  leavesNothingInKernel();

  const cases = builtObjects().flatMap((object) => linkKinds(object).map((link) => [object, link] as const));

  test('for the kinds of link that this kernel has', () => {
    const perf = builtObjects().filter((object) => object !== 'usdt_sleepable');
    expect(cases.filter(([, link]) => link === 'perf').map(([object]) => object)).toEqual(perf);
  });

  describe.each(cases)('%s, %s', (object, link) => {
    test.each(configurationsOf(object, link).map((each) => [each.label, each] as const))('%s', async (_, each) => {
      const walked = await verifiedInstructions(object, each);
      expect([...walked.keys()].sort()).toEqual(Object.keys(programs[object]!).sort());
      for (const [program, instructions] of walked) {
        expect(instructions, program).toBeGreaterThan(0);
        expect(instructions, program).toBeLessThanOrEqual(budgetOf(object, program));
      }
    });
  });
});
