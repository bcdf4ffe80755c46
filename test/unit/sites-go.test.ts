/** The sites chosen in real Go programs of every release, against what binutils says of those programs. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { Decision, Site } from '../../src/contract/decision.ts';
import { openBinary } from '../../src/discovery/binary.ts';
import { goHttpServer } from '../../src/probes/definitions/go/http-server.ts';
import { HttpServerMoment } from '../../src/probes/layout.gen.ts';
import { plan } from '../../src/probes/plan.ts';
import { buildServer, hasRelease, sourceOf } from '../fixtures/go-elf/build.ts';
import { allGoReleases, buildGoFixture, type GoRelease } from '../support/go-fixture.ts';

const serveHttp = 'net/http.serverHandler.ServeHTTP';
const serve = 'net/http.(*conn).serve';
const pushAfterCheck = { class: 'push', instruction: 'push %rbp', why: 'push after the stack check' };
const beforeHijacked = { class: 'call', instruction: 'call net/http.(*conn).hijacked' };

/** Where net/http answers requests itself: 431, 501, what readRequest() refuses, 400; 417; HTTP on a TLS port. */
const replies = [
  ...Array.from({ length: 4 }, () => 'fmt.Fprintf'),
  'net/http.(*response).sendExpectationFailed',
  'io.WriteString',
];

/** The test pins the class of every site. A Go release that changes one shows here first. */
function expected(go: string) {
  const deferred = ['1.18', '1.20', '1.21', '1.22'].includes(go)
    ? 'net/http.(*connReader).abortPendingRead'
    : 'net/http.(*response).disableWriteContinue';
  const entry = ['1.18', '1.20'].includes(go)
    ? { class: 'jcc', why: 'branch of the stack check; fires again when the stack grows' }
    : pushAfterCheck;
  return [
    { moment: HttpServerMoment.START, function: serveHttp, ...entry },
    { moment: HttpServerMoment.END, function: serve, ...beforeHijacked },
    { moment: HttpServerMoment.PANIC, function: `${serve}.func1`, class: 'call', instruction: `call ${deferred}` },
    ...replies.map((callee) => ({
      moment: HttpServerMoment.REPLIED,
      function: serve,
      class: 'call',
      instruction: `call ${callee}`,
    })),
  ];
}

describe.each(allGoReleases)('Go %s', (go) => {
  test.each(variantsOf(go))('%s', async (variant) => {
    const path = await buildGoFixture({ go, variant });
    const sites = sitesOf(path);
    expect(sites).toMatchObject(expected(go));
    expectInstructions(path, sites, variant === 'normal' || variant === 'pie');
  });
});

/** Stripped and PIE files need other readers, but have the same code, so two releases of each are enough. */
function variantsOf(go: GoRelease) {
  return go === '1.21' || go === '1.26'
    ? (['normal', 'stripped', 'pie', 'stripped-pie'] as const)
    : (['normal'] as const);
}

describe.each(['go1.18.10', 'go1.20.14'])('%s, which has no push in the prologue', (release) => {
  test.skipIf(!hasRelease(release))('normal', () => {
    const path = buildServer({ release });
    const sites = sitesOf(path);
    expect(sites).toMatchObject(expected(release.slice(2, 6)));
    expectInstructions(path, sites, true);
  });
});

function sitesOf(path: string): readonly Site[] {
  const [decision] = plan(openBinary(sourceOf(path)), 'executable', [goHttpServer], {
    allowSingleStep: false,
    allowInstrumented: false,
  }) as [Decision];
  if (decision.do === 'skip') throw new Error(`${decision.reason}: ${decision.detail}`);
  return decision.sites;
}

/** At every site an instruction begins. It is the one that the site names, and lies at the site's file offset. */
function expectInstructions(path: string, sites: readonly Site[], withSymbols: boolean): void {
  const functions = withSymbols ? addresses(path) : undefined;
  for (const site of sites) {
    // A linear sweep from the function's entry, by nm if there are symbols.
    const begin = functions?.get(site.function) ?? entryOf(path, site.function);
    const line = objdump(path, begin, site.address + 16).find(({ address }) => address === site.address);
    expect(line, `an instruction at 0x${site.address.toString(16)} of ${path}`).toBeDefined();
    const { text, raw } = line!;
    if (withSymbols) expect(text).toBe(site.instruction);
    else expect(text.split(' ')[0]).toBe(site.instruction.split(' ')[0]);
    const { bytes } = sourceOf(path);
    expect([...bytes.subarray(site.fileOffset, site.fileOffset + raw.length)]).toEqual(raw);
  }
}

function entryOf(path: string, name: string): number {
  return openBinary(sourceOf(path)).symbols.find(name)!.address;
}

/** Functions by nm. */
function addresses(path: string): Map<string, number> {
  const lines = execFileSync('nm', [path], { maxBuffer: 64 << 20 })
    .toString()
    .matchAll(/^(\w+) [tT] (.+)$/gm);
  return new Map([...lines].map(([, address, name]) => [name!, Number.parseInt(address!, 16)]));
}

/** Instructions from `begin`. The target of a call or branch has its name if it is a function's entry. */
function objdump(path: string, begin: number, end: number): { address: number; raw: number[]; text: string }[] {
  const args = ['-d', '-w', '--insn-width=15', `--start-address=${begin}`, `--stop-address=${end}`, path];
  const lines = execFileSync('objdump', args)
    .toString()
    .matchAll(/^ +([0-9a-f]+):\t([0-9a-f ]+)\t(.+)$/gm);
  return [...lines].map(([, address, raw, text]) => ({
    address: Number.parseInt(address!, 16),
    raw: [...Buffer.from(raw!.replaceAll(' ', ''), 'hex')],
    text: text!
      .replaceAll(/\s+/g, ' ')
      .trim()
      .replace(/ [0-9a-f]+ <([^+]+)>$/, ' $1')
      .replace(/ ([0-9a-f]+) <.+\+0x[0-9a-f]+>$/, ' 0x$1'),
  }));
}
