import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inspectFile } from '../../src/probes/attach/inspect.ts';
import { Inspector, type InspectorOptions } from '../../src/probes/attach/inspector.ts';
import { type DefinitionRecipe, makeDefinitions } from '../../src/probes/definitions/recipe.ts';
import { buildGoFixture } from '../support/go-fixture.ts';

const recipe: DefinitionRecipe = {
  names: ['go/net/http/server', 'go/net/http/client', 'go/database/sql'],
  pairs: [
    {
      provider: 'shop',
      start: 'begin',
      end: 'end',
      during: undefined,
      file: 'node',
      spanName: ['a ', 0],
      arguments: [{ name: 'shop.item', of: 'start', argument: 0, type: 'i32', lengthArgument: undefined }],
      minDurationNs: 0,
      maxPerSecond: 0,
    },
  ],
};
const definitions = makeDefinitions(recipe);
const options = { recipe, definitions, allowSingleStep: false, allowInstrumented: false };
const hostile = { workerUrl: new URL('../fixtures/inspect-workers/hostile.ts', import.meta.url) };

let directory: string;
let subject: Inspector;
let givenUp: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'uspan-inspector-'));
  givenUp = 0;
});

afterEach(async () => {
  await subject.close();
  await rm(directory, { recursive: true });
});

function inspector(changes: Partial<InspectorOptions> = {}): Inspector {
  subject = new Inspector({ ...options, onGivenUp: () => givenUp++, ...changes });
  return subject;
}

function request(path: string) {
  return { path, openPath: path, role: 'executable' } as const;
}

test('another thread gives what this one would', async () => {
  const path = await buildGoFixture({ go: '1.26', variant: 'stripped' });
  const inspection = await inspector().inspect(request(path));
  const here = inspectFile(request(path), { ...options, definitions }, (found) => found)!;
  expect(inspection!.decisions.map(({ do: what }) => what)).toContain('attach');
  expect(inspection!.decisions).toHaveLength(here.decisions.length);
  for (const [n, decision] of inspection!.decisions.entries()) {
    const { definition, binary, ...rest } = decision;
    const { definition: same, binary: _, ...expected } = here.decisions[n]!;
    expect(definition).toBe(same);
    expect(definitions).toContain(definition);
    expect(rest).toEqual(expected);
    expect(binary).toBe(inspection!.binary);
  }
  const { key, runtime, go } = here.binary!;
  const { version, path: packagePath, main } = go!;
  expect(inspection).toMatchObject({
    path,
    role: 'executable',
    error: undefined,
    loadsLibraries: false,
    binary: { key, path, runtime, go: { version, path: packagePath, main } },
  });
  expect(subject.filesRead).toBe(1);
});

test('a program with a loader, and one no definition is for', async () => {
  const inspection = await inspector().inspect(request('/bin/sh'));
  expect(inspection).toMatchObject({ error: undefined, decisions: [], loadsLibraries: true });
});

test('a file that is damaged costs that file, with the code of the fault', async () => {
  const path = join(directory, 'damaged');
  await writeFile(path, '\x7fELF and no more');
  inspector();
  const [damaged, missing, fine] = await Promise.all(
    [path, join(directory, 'missing'), '/bin/sh'].map((each) => subject.inspect(request(each))),
  );
  expect(damaged).toMatchObject({ path, binary: undefined, decisions: [], error: { name: 'UspanError', on: path } });
  expect(damaged!.error!.code).toMatch(/^E_ELF_/);
  expect(missing).toBeUndefined();
  expect(fine).toMatchObject({ error: undefined });
  expect(givenUp).toBe(0);
});

test.each(['/throws', '/exits', '/hangs'])('a file that breaks the thread (%s) costs that file', async (path) => {
  inspector({ ...hostile, deadlineMs: path === '/hangs' ? 5000 : 60_000 });
  const [before, broken, after] = await Promise.all(
    ['/before', path, '/after'].map((each) => subject.inspect(request(each))),
  );
  expect(before).toMatchObject({ path: '/before', error: undefined, loadsLibraries: true });
  expect(broken).toMatchObject({ path, binary: undefined, decisions: [], error: { code: 'E_INSPECT', on: path } });
  expect(after).toMatchObject({ path: '/after', error: undefined, loadsLibraries: true });
  expect(givenUp).toBe(1);
});

test('a file that takes all the memory of the thread costs that file', async () => {
  inspector({ ...hostile, maxHeapMiB: 32 });
  const [broken, after] = await Promise.all(['/eats', '/after'].map((each) => subject.inspect(request(each))));
  expect(broken).toMatchObject({ error: { code: 'E_INSPECT', on: '/eats' } });
  expect(after).toMatchObject({ error: undefined });
});

test('the thread ends when it has nothing to do, and starts again', async () => {
  inspector({ idleMs: 1 });
  await subject.inspect(request('/bin/sh'));
  const deadline = performance.now() + 20_000;
  while (subject.running) {
    if (performance.now() > deadline) throw new Error('the thread has not ended');
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await subject.inspect(request('/bin/sh'))).toMatchObject({ error: undefined });
});

test('after the end there are no answers', async () => {
  inspector(hostile);
  const waiting = ['/hangs', '/after'].map((each) => subject.inspect(request(each)));
  await subject.close();
  expect(await Promise.all([...waiting, subject.inspect(request('/after'))])).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(givenUp).toBe(0);
});
