/** What `struct uspan_go_link_config` has of a binary. */
import { expect, test } from 'vitest';
import { openBinary } from '../../src/discovery/binary.ts';
import { goFacts } from '../../src/probes/definitions/go/binary.ts';
import { goLinkConfig } from '../../src/probes/definitions/go/link.ts';
import { Constant, GoContextWrapper, GoLinkConfig, GoTextRange } from '../../src/probes/layout.gen.ts';
import { sourceOf } from '../fixtures/go-elf/build.ts';
import { allGoReleases, buildGoFixture } from '../support/go-fixture.ts';
import { programOf } from './sites-program.ts';

function rangesOf(config: Uint8Array): (readonly [number, number])[] {
  const view = new DataView(config.buffer);
  return Array.from({ length: Constant.GO_LINK_PACKAGES }, (_, index) => {
    const at = GoLinkConfig.runtimePackages + index * GoTextRange.size;
    return [
      Number(view.getBigUint64(at + GoTextRange.start, true)),
      Number(view.getBigUint64(at + GoTextRange.end, true)),
    ];
  });
}

test.each(allGoReleases)('the packages of goroutines that serve everybody, Go %s', async (go) => {
  const path = await buildGoFixture({ fixture: 'go-link', go, variant: 'stripped' });
  const binary = openBinary(sourceOf(path));
  const ranges = rangesOf(goLinkConfig(binary).bytes);
  const within = (name: string) => {
    const symbol = binary.symbols.find(name);
    expect(symbol, name).toBeDefined();
    return ranges.some(([start, end]) => symbol!.address >= start && symbol!.address < end);
  };
  // One of these starts every goroutine that dials, reads or writes connections.
  expect(within('net/http.(*Transport).dialConnFor')).toBe(true);
  expect(within('net/http.(*persistConn).readLoop')).toBe(true);
  expect(within('net/http.(*persistConn).writeLoop')).toBe(true);
  expect(
    within(go === '1.27' ? 'net/http/internal/http2.(*ClientConn).readLoop' : 'net/http.(*http2ClientConn).readLoop'),
  ).toBe(true);
  expect(within('main.main')).toBe(false);
  expect(within('main.apart')).toBe(false);
  expect(within('runtime.main')).toBe(false);
});

test('what is found of the program’s own contexts', async () => {
  const binary = openBinary(
    sourceOf(await buildGoFixture({ fixture: 'go-link', go: '1.26', variant: 'stripped-pie' })),
  );
  const { types } = binary.go!;
  const of = (name: string) => [types.hash(`main.${name}`), types.hash(`*main.${name}`)];
  const found = types.contextWrappers();
  // main.first begins with its parent.
  expect(found).toHaveLength(3);
  expect(found).toEqual(
    expect.arrayContaining([
      { hashes: of('later'), struct: undefined, parent: 24 },
      { hashes: of('asked'), struct: undefined, parent: 16 },
      { hashes: of('exchange'), struct: 16, parent: types.field('net/http.Request', 'ctx')!.flatOffset },
    ]),
  );
  const view = new DataView(goLinkConfig(binary).bytes.buffer);
  expect(view.getUint16(GoLinkConfig.wrapperCount, true)).toBe(6);
  const slots = Array.from({ length: 6 }, (_, index) => {
    const at = GoLinkConfig.wrappers + index * GoContextWrapper.size;
    return [
      view.getUint32(at + GoContextWrapper.typeHash, true),
      view.getUint16(at + GoContextWrapper.structPtr, true),
      view.getUint16(at + GoContextWrapper.parent, true),
    ];
  });
  expect(slots).toEqual(
    found.flatMap(({ hashes, struct, parent }) =>
      hashes.map((hash) => [hash, struct ?? Constant.FIELD_ABSENT, parent]),
    ),
  );
});

test('a binary without any of it', () => {
  const { bytes: config, unknownContexts } = goLinkConfig(programOf({ f: 'c3' }));
  expect(unknownContexts).toBe(0);
  expect(rangesOf(config).flat()).toEqual(Array(2 * Constant.GO_LINK_PACKAGES).fill(0));
  const view = new DataView(config.buffer);
  for (const field of ['gGoid', 'gParentGoid', 'gStartpc'] as const) {
    expect(view.getUint16(GoLinkConfig[field], true)).toBe(Constant.FIELD_ABSENT);
  }
});

test('facts are put together once a binary; types of contexts beyond those there is room for are noted', () => {
  const contexts = Array.from({ length: Constant.GO_LINK_WRAPPERS + 3 }, (_, index) => ({
    hashes: [index + 1],
    struct: undefined,
    parent: 8,
  }));
  let asked = 0;
  const types = {
    start: 0,
    field: () => undefined,
    descriptor: () => undefined,
    hash: () => undefined,
    headerMap: () => undefined,
    errorWrappers: () => [],
    contextWrappers() {
      asked++;
      return contexts;
    },
  };
  const go = { version: 'go1.26', path: 'main', main: undefined, modules: new Map(), settings: new Map(), types };
  const binary = { ...programOf({ f: 'c3' }), go };
  const facts = goFacts(binary);
  expect(facts.notes).toEqual([expect.stringMatching(/^contexts of 3 types are not followed/)]);
  expect(goFacts(binary)).toBe(facts);
  expect(asked).toBe(1);
});
