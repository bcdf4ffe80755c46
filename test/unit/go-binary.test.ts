import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { type OpenBinary, openBinary } from '../../src/discovery/binary.ts';
import {
  buildServer,
  dwarfLayouts,
  type GoBuild,
  goReleases,
  hasCommand,
  hasRelease,
  run,
  sourceOf,
} from '../fixtures/go-elf/build.ts';

interface Subject extends GoBuild {
  readonly title: string;
}

const pie = ['-buildmode=pie'];
const external = ['-buildmode=pie', '-ldflags=-linkmode=external'];
const subjects: Subject[] = [
  ...goReleases.map((release) => ({ title: release, release })),
  { title: 'go1.24.11 PIE', release: 'go1.24.11', flags: pie },
  { title: 'local PIE', release: 'local', flags: pie },
  { title: 'go1.25.5 PIE linked by gcc', release: 'go1.25.5', flags: external, cgo: true },
  { title: 'local PIE linked by gcc', release: 'local', flags: external, cgo: true },
];

/** The same file after `strip --strip-all`, and then also without section headers. */
const forms = ['as linked', 'stripped', 'without section headers'] as const;

for (const subject of subjects) {
  const usable = hasRelease(subject.release) && (!subject.cgo || hasCommand('gcc'));
  describe.skipIf(!usable)(`Go program built by ${subject.title}`, () => {
    let linked: string;
    let layouts: ReturnType<typeof dwarfLayouts>;
    let functions: ReturnType<typeof nmFunctions>;
    const binaries = new Map<string, OpenBinary>();

    beforeAll(() => {
      linked = buildServer(subject);
      const stripped = buildServer({ ...subject, strip: ['--strip-all'] });
      layouts = dwarfLayouts(linked);
      functions = nmFunctions(linked);
      binaries.set('as linked', openBinary(sourceOf(linked)));
      binaries.set('stripped', openBinary(sourceOf(stripped)));
      binaries.set('without section headers', openBinary(sourceOf(stripped, withoutSections(stripped))));
    });

    describe.each(forms)('%s', (form) => {
      const binary = () => binaries.get(form)!;

      test('is a Go program with the build info that go version -m prints', () => {
        const { runtime, go, pie, stripped } = binary();
        expect({ runtime, pie, stripped }).toEqual({
          runtime: 'go',
          pie: subject.flags !== undefined,
          stripped: form !== 'as linked',
        });
        const info = goVersion(linked);
        expect(go?.version).toBe(info.version);
        expect(go?.path).toBe('example.com/shop/server');
        expect(go?.main).toEqual({ path: info.mod[0], version: info.mod[1] });
        expect([...go!.settings]).toEqual(info.build);
      });

      test('has the build id that readelf or go tool buildid prints', () => {
        // Go's own linker puts the GNU note in a section, but not in a program header.
        const seen = form === 'without section headers' && !subject.cgo ? '' : run('readelf', ['-nW', linked], {});
        const gnu = /Build ID: ([0-9a-f]+)/.exec(seen)?.[1];
        expect(binary().buildId).toBe(gnu ?? run('go', ['tool', 'buildid', linked], {}).trim());
        expect(binary().key).toBe(`${binary().buildId}@8:42`);
      });

      test('finds every function where go tool nm has it', () => {
        const wrong: string[] = [];
        let found = 0;
        for (const [name, addresses] of functions) {
          const symbol = binary().symbols.find(name);
          if (!symbol) continue;
          found++;
          if (symbol.name !== name || !addresses.includes(symbol.address)) wrong.push(`${name} ${symbol.address}`);
        }
        expect(wrong).toEqual([]);
        // nm also lists section ends, C functions, and deduplicated names, which the function table lacks.
        expect(found / functions.size).toBeGreaterThan(subject.cgo ? 0.95 : 0.97);
        expect(binary().symbols.find('net/http.(*Server).Serv')).toBeUndefined();
      });

      test('finds a function by any address in it', () => {
        const serve = binary().symbols.find('net/http.(*conn).serve')!;
        expect(binary().symbols.source).toBe('pclntab');
        expect(binary().symbols.at(serve.address)).toEqual(serve);
        expect(binary().symbols.at(serve.address + serve.sizeBytes - 1)).toEqual(serve);
        expect(binary().symbols.at(serve.address + serve.sizeBytes)?.address).toBe(serve.address + serve.sizeBytes);
        expect(binary().symbols.at(serve.address - 1)?.name).not.toBe(serve.name);
        expect(binary().symbols.at(1)).toBeUndefined();
      });

      test('gives the code at a function as it stands in the file', () => {
        const main = binary().symbols.find('main.main')!;
        const bytes = readFileSync(linked);
        const at = fileOffsetByReadelf(linked, main.address);
        expect(main.fileOffset).toBe(at);
        expect(Buffer.from(binary().code(main, 64))).toEqual(bytes.subarray(at, at + 64));
        expect(binary().code(main, 1 << 20)).toHaveLength(main.sizeBytes);
      });

      test('has the offsets and sizes that DWARF has for every field', () => {
        const types = binary().go!.types;
        const wrong: string[] = [];
        let fields = 0;
        for (const [name, layout] of Object.entries(layouts)) {
          if (types.descriptor(name) === undefined) continue;
          for (const [field, offset, sizeBytes] of layout) {
            if (field === '_') continue;
            fields++;
            const got = types.field(name, field);
            if (got?.flatOffset !== offset || got.sizeBytes !== sizeBytes) {
              wrong.push(`${name}.${field} is ${got?.flatOffset} (${got?.sizeBytes}), not ${offset} (${sizeBytes})`);
            }
          }
        }
        expect(wrong).toEqual([]);
        expect(fields).toBeGreaterThan(2000);
      });

      test('walks through pointers and embedded structs', () => {
        const { field } = binary().go!.types;
        expect(field('main.Cart', 'name')).toEqual({
          steps: [
            { offset: 0, deref: true },
            { offset: 8, deref: false },
          ],
          flatOffset: undefined,
          sizeBytes: 16,
          kind: 24,
        });
        expect(field('main.Cart', 'middle', 'count')?.flatOffset).toBe(8);
        expect(field('main.Cart', 'at', 'y')?.flatOffset).toBe(34);
        const path = field('main.Cart', 'owner', 'URL', 'Path')!;
        expect(path.steps).toEqual([
          { offset: 16, deref: true },
          { offset: 16, deref: true },
          { offset: 56, deref: false },
        ]);
        expect(field('main.Cart', 'nothing')).toBeUndefined();
        expect(field('main.Nothing', 'id')).toBeUndefined();
        expect(field('main.Cart', 'labels', 'key')).toBeUndefined();
        expect(field('main.Cart')).toBeUndefined();
      });

      test('knows descriptors and the layout of http.Header', () => {
        const { types } = binary().go!;
        const request = types.descriptor('net/http.Request');
        expect(request).toBeGreaterThan(0);
        expect(types.descriptor('*net/http.Request')).toBeGreaterThan(0);
        expect(types.descriptor('*net/http.Request')).not.toBe(request);
        expect(types.descriptor('net/http.Nothing')).toBeUndefined();
        const hashes = ['net/http.Request', '*net/http.Request', 'net/url.URL'].map((name) => types.hash(name));
        expect(new Set(hashes).size).toBe(3);
        for (const hash of hashes) expect(hash).toBeGreaterThan(0);
        expect(types.hash('net/http.Nothing')).toBeUndefined();
        // runtime: internal/runtime/maps of 1.24 and runtime/map.go of 1.23, read there for map[string][]string.
        const layout = types.headerMap();
        if (layout?.kind === 'hmap') {
          expect(layout).toEqual({
            kind: 'hmap',
            count: 0,
            log2Buckets: 9,
            buckets: 16,
            keys: 8,
            elems: 136,
            overflow: 328,
            bucketSize: 336,
          });
        } else {
          expect(layout).toEqual({
            kind: 'swiss',
            used: 0,
            dirPtr: 16,
            dirLen: 24,
            tableGroups: 16,
            tableLengthMask: 24,
            slots: 8,
            slotStride: 40,
            groupSize: 328,
          });
        }
        const minor = Number(/^go1\.(\d+)/.exec(binary().go!.version)![1]);
        expect(layout?.kind).toBe(minor >= 24 ? 'swiss' : 'hmap');
      });
    });
  });
}

/** Function names by address, from the symbol table. ABI0 twins carry a suffix there, so a plain name is the ABIInternal one. */
function nmFunctions(path: string): Map<string, number[]> {
  const functions = new Map<string, number[]>();
  for (const line of run('go', ['tool', 'nm', path], {}).split('\n')) {
    const match = /^\s*([0-9a-f]+) [Tt] (.+)$/.exec(line);
    if (!match || match[2]!.endsWith('.abi0')) continue;
    const addresses = functions.get(match[2]!) ?? [];
    addresses.push(Number.parseInt(match[1]!, 16));
    functions.set(match[2]!, addresses);
  }
  return functions;
}

function goVersion(path: string): { version: string; mod: string[]; build: [string, string][] } {
  const lines = run('go', ['version', '-m', path], {}).trimEnd().split('\n');
  const rest = lines.slice(1).map((line) => line.trim().split('\t'));
  return {
    version: lines[0]!.split(': ').at(-1)!,
    mod: rest.find(([key]) => key === 'mod')!.slice(1, 3),
    build: rest
      .filter(([key]) => key === 'build')
      .map(([, setting]) => {
        const [name, ...value] = setting!.split('=');
        return [name!, value.join('=').replace(/^"(.*)"$/, '$1')];
      }),
  };
}

function fileOffsetByReadelf(path: string, address: number): number {
  for (const line of run('readelf', ['-lW', path], {}).split('\n')) {
    const match = /^\s+LOAD\s+0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)/.exec(line);
    if (!match) continue;
    const [offset, start, size] = match.slice(1).map((hex) => Number.parseInt(hex, 16)) as [number, number, number];
    if (address >= start && address < start + size) return offset + address - start;
  }
  throw new Error(`readelf has no segment at ${address}`);
}

/** Zeroes e_shoff, e_shnum and e_shstrndx, as some packers do. */
function withoutSections(path: string): Uint8Array {
  const bytes = new Uint8Array(readFileSync(path));
  bytes.fill(0, 40, 48);
  bytes.fill(0, 60, 64);
  return bytes;
}
