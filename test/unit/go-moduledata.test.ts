import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { openBinary } from '../../src/discovery/binary.ts';
import { u64 } from '../../src/discovery/elf/bytes.ts';
import { readDynamic } from '../../src/discovery/elf/dynamic.ts';
import { type ElfImage, openElfImage } from '../../src/discovery/elf/image.ts';
import { type RelativeRelocations, relativeRelocations, relocatedView } from '../../src/discovery/elf/relocations.ts';
import { findModuleData, type ModuleData } from '../../src/discovery/go/moduledata.ts';
import { pclntabCandidates } from '../../src/discovery/go/pclntab.ts';
import { selfDescribedTail } from '../../src/discovery/go/self-described.ts';
import { buildServer, type GoBuild, goReleases, hasRelease, run, sourceOf } from '../fixtures/go-elf/build.ts';

/** Go 1.18 packs field offsets, which a version newer than the known ones will not do. */
const subjects: GoBuild[] = goReleases.filter((release) => release !== 'go1.18.10').map((release) => ({ release }));
for (const release of ['go1.24.11', 'local']) subjects.push({ release, flags: ['-buildmode=pie'] });

for (const subject of subjects) {
  describe.skipIf(!hasRelease(subject.release))(`moduledata of ${subject.release} ${subject.flags ?? ''}`, () => {
    let path: string;
    let image: ElfImage;
    let relocations: RelativeRelocations;
    let module: ModuleData;

    beforeAll(() => {
      path = buildServer(subject);
      image = openElfImage(new Uint8Array(readFileSync(path)), path);
      relocations = relativeRelocations(image, readDynamic(image));
      module = findModuleData(image, relocations, pclntabCandidates(image), true)!;
    });

    test('is where the symbol table says, with the text and types it says', () => {
      const symbols = new Map(
        run('go', ['tool', 'nm', path], {})
          .split('\n')
          .map((line) => line.trim().split(/ +/))
          .map(([address = '', , name = '']) => [name, Number.parseInt(address, 16)]),
      );
      expect(module.address).toBe(symbols.get('runtime.firstmoduledata'));
      expect(module.text).toEqual({ start: symbols.get('runtime.text'), end: symbols.get('runtime.etext') });
      expect(module.types).toEqual({ start: symbols.get('runtime.types'), end: symbols.get('runtime.etypes') });
    });

    test('describes its own layout the same as the table of known layouts', () => {
      const view = relocatedView(image, relocations, module.address, 64 * 8)!;
      const words = Array.from({ length: 64 }, (_, index) => u64(view, index * 8));
      const { types, textSections, hasTypeDescLength } = module;
      expect(selfDescribedTail(image, relocations, words)).toEqual({ types, textSections, hasTypeDescLength });
    });
  });
}

test('a layout that is not known is read by its own description', () => {
  const path = buildServer({ release: 'go1.25.5' });
  const bytes = new Uint8Array(readFileSync(path));
  const image = openElfImage(bytes, path);
  const known = findModuleData(image, relativeRelocations(image, readDynamic(image)), pclntabCandidates(image), true)!;
  const typelinksLength = 45;
  const changed = new Uint8Array(bytes);
  changed.fill(
    0,
    image.offsetOf(known.address, 8) + typelinksLength * 8,
    image.offsetOf(known.address, 8) + typelinksLength * 8 + 8,
  );
  const { go, symbols } = openBinary(sourceOf(path, changed));
  const original = openBinary(sourceOf(path, bytes));
  expect(go?.types.field('net/http.Request', 'ctx')).toBeDefined();
  expect(go?.types.field('net/http.Request', 'ctx')).toEqual(original.go!.types.field('net/http.Request', 'ctx'));
  expect(symbols.find('main.main')).toEqual(original.symbols.find('main.main'));
});
