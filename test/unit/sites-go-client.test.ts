/** The sites chosen for Go's net/http client, in real programs of every release. A Go release that changes one shows here first. */
import { describe, expect, test } from 'vitest';
import type { Site } from '../../src/contract/decision.ts';
import { openBinary } from '../../src/discovery/binary.ts';
import { goHttpClient } from '../../src/probes/definitions/go/http-client.ts';
import { plan } from '../../src/probes/plan.ts';
import { sourceOf } from '../fixtures/go-elf/build.ts';
import { allGoReleases, allGoVariants, buildGoFixture, type GoRelease } from '../support/go-fixture.ts';

const roundTrip = 'net/http.(*Transport).roundTrip';

/** http.ClientConn came with Go 1.26. */
const ofClientConn = [
  { momentName: 'start', class: 'push', instruction: 'push %rbp' },
  { momentName: 'end', class: 'jcc', instruction: expect.stringMatching(/^jne /) },
].map((site) => ({ ...site, function: 'net/http.http1ClientConn.RoundTrip' }));

/** Until 1.22, Go saves the error of getConn on the stack before the first instruction that can be probed. */
function expected(go: GoRelease) {
  const early = go === '1.21' || go === '1.22';
  const nop = go === '1.25' || go === '1.26' || go === '1.27';
  return [
    { momentName: 'start', class: 'push', instruction: 'push %rbp', why: 'push after the stack check' },
    { momentName: 'end', class: 'jcc', instruction: expect.stringMatching(/^je /) },
    { momentName: 'alternate', class: 'jcc', instruction: expect.stringMatching(/^jne /) },
    early
      ? { momentName: 'no_connection', class: 'call', instruction: 'call net/http.(*Transport).setReqCanceler' }
      : { momentName: 'no_connection', class: 'nop' },
    { momentName: 'cancelled', class: nop ? 'nop' : 'jcc' },
    { momentName: 'retry', class: 'call', instruction: 'call net/http.rewindBody' },
  ]
    .map((site) => ({ ...site, function: roundTrip }))
    .concat(go === '1.26' || go === '1.27' ? ofClientConn : []);
}

describe.each(allGoReleases)('Go %s', (go) => {
  test.each(go === '1.26' ? allGoVariants : (['stripped'] as const))('%s', async (variant) => {
    const sites = sitesOf(await buildGoFixture({ fixture: 'go-link', go, variant }));
    expect(sites).toMatchObject(expected(go));
    // Where Go saved it: the offsets of its two words from the stack pointer. Those of starts and retries are their addresses.
    const saved = sites.map(({ spec, address }) => (spec === address ? undefined : spec));
    expect(saved.filter((spec) => spec !== undefined)).toHaveLength(go === '1.21' || go === '1.22' ? 1 : 0);
    expect(saved[3]).toBe(go === '1.21' ? 0x6800c8 : go === '1.22' ? 0x6800d0 : undefined);
  });
});

function sitesOf(path: string): readonly Site[] {
  const options = { allowSingleStep: false, allowInstrumented: false };
  const [decision] = plan(openBinary(sourceOf(path)), 'executable', [goHttpClient], options);
  if (decision?.do !== 'attach') throw new Error(`${decision?.reason}: ${decision?.detail}`);
  expect(decision.notes).toEqual([]);
  return decision.sites;
}
