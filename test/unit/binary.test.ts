import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBinary } from '../../src/discovery/binary.ts';
import { openElfImage } from '../../src/discovery/elf/image.ts';
import { buildServer, run, sourceOf } from '../fixtures/go-elf/build.ts';

let dir: string;
let goPath: string;
let piePath: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'uspan-binary-'));
  goPath = buildServer({ release: 'local', strip: ['--strip-all'] });
  piePath = buildServer({ release: 'local', flags: ['-buildmode=pie'], strip: ['--strip-all'] });
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('what is no Go program', () => {
  test('Node.js, with its functions', () => {
    const node = openBinary(sourceOf(process.execPath));
    expect(node).toMatchObject({ runtime: 'node', go: undefined, machine: process.arch === 'arm64' ? 'arm64' : 'x64' });
    const listed = run('nm', ['-D', '--defined-only', process.execPath], {});
    const start = /^([0-9a-f]+) T _ZN4node5StartEiPPc$/m.exec(listed);
    expect(node.symbols.find('_ZN4node5StartEiPPc')?.address).toBe(Number.parseInt(start![1]!, 16));
  });

  test('a C program, and one without symbols or build id', () => {
    const source = join(dir, 'main.c');
    writeFileSync(source, 'int work(int x) { return x; } int main(void) { return work(0); }');
    const build = (name: string, ...flags: string[]) => {
      execFileSync('gcc', [...flags, '-o', join(dir, name), source]);
      return openBinary(sourceOf(join(dir, name)));
    };
    const plain = build('plain', '-Wl,--build-id');
    expect(plain).toMatchObject({ runtime: 'native', stripped: false, pie: true, go: undefined });
    expect(plain.symbols.find('work')?.sizeBytes).toBeGreaterThan(0);
    const bare = build('bare', '-static', '-s', '-Wl,--build-id=none');
    expect(bare).toMatchObject({ runtime: 'native', stripped: true, pie: false, buildId: undefined });
    expect(bare.symbols.count).toBe(0);
    expect(bare.symbols.find('work')).toBeUndefined();
    expect(bare.symbols.at(0x40_1000)).toBeUndefined();
    expect(bare.key).toBe('mtime-1700000000000000000@8:42');
  });
});

test('variables and texts of a C program, also when it is stripped', () => {
  const [one, two] = ['one.c', 'two.c'].map((name) => join(dir, name)) as [string, string];
  writeFileSync(one, 'static int twice; int alone = 1; int main(void) { return twice + alone; }');
  const long = 'x'.repeat(300);
  writeFileSync(
    two,
    `static int twice; int *const it = &twice; const char texts[] = "shop 1.2\\0${long}"; void work(void) {}`,
  );
  const [whole, stripped] = [join(dir, 'variables'), join(dir, 'variables-stripped')];
  execFileSync('gcc', ['-rdynamic', '-o', whole, one, two]);
  execFileSync('strip', ['-s', '-o', stripped, whole]);
  const address = /^([0-9a-f]+) D alone$/m.exec(run('nm', [whole], {}))![1]!;
  for (const path of [whole, stripped]) {
    const binary = openBinary(sourceOf(path));
    expect(binary.variable('alone')).toBe(Number.parseInt(address, 16));
    expect(binary.variable('twice'), 'one of two').toBeUndefined();
    expect(binary.variable('work'), 'a function').toBeUndefined();
    expect(binary.constantText('shop ')).toBe('shop 1.2');
    expect(binary.constantText('shop 2')).toBeUndefined();
    expect(binary.constantText('xxx'), 'too long').toBeUndefined();
    binary.release();
    expect(binary.constantText('shop ')).toBe('shop 1.2');
    expect(() => binary.constantText('other')).toThrow('no longer mapped');
  }
});

test('a Go program built without modules has an empty path, and everything else', () => {
  const source = join(dir, 'main.go');
  writeFileSync(source, 'package main\nfunc main() { println("x") }\n');
  const config = join(dir, 'importcfg');
  const format = '{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}';
  writeFileSync(config, run('go', ['list', '-export', '-deps', '-f', format, 'runtime'], { cwd: dir }));
  run('go', ['tool', 'compile', '-p', 'main', '-importcfg', config, '-o', 'main.o', source], { cwd: dir });
  run('go', ['tool', 'link', '-importcfg', config, '-s', '-w', '-o', 'main', 'main.o'], { cwd: dir });
  const { go, runtime, symbols } = openBinary(sourceOf(join(dir, 'main')));
  const version = run('go', ['version', join(dir, 'main')], {})
    .trim()
    .split(': ')[1];
  expect({ runtime, ...go }).toMatchObject({ runtime: 'go', version, path: '', main: undefined });
  expect(symbols.find('main.main')).toBeDefined();
  expect(go?.types.field('runtime.g', 'goid')?.sizeBytes).toBe(8);
});

test('modules are listed as go version -m lists them, a replaced one by what replaces it', () => {
  const module = (name: string, text: string, code: string) => {
    run('mkdir', ['-p', join(dir, name)], {});
    writeFileSync(join(dir, name, 'go.mod'), text);
    writeFileSync(join(dir, name, `${name}.go`), code);
  };
  module('dep', 'module example.com/dep\n\ngo 1.21\n', 'package dep\n\nvar X = 1\n');
  const requires = 'require example.com/dep v1.2.3\n\nreplace example.com/dep => ../dep\n';
  module(
    'app',
    `module example.com/app\n\ngo 1.21\n\n${requires}`,
    'package main\n\nimport "example.com/dep"\n\nfunc main() { println(dep.X) }\n',
  );
  run('go', ['build', '-buildvcs=false', '-ldflags=-X "main.name=a b"', '-o', 'app', '.'], { cwd: join(dir, 'app') });
  const { go } = openBinary(sourceOf(join(dir, 'app', 'app')));
  expect(run('go', ['version', '-m', join(dir, 'app', 'app')], {})).toMatch(
    /dep\texample\.com\/dep\tv1\.2\.3\n\t=>\t\.\.\/dep/,
  );
  expect(go?.path).toBe('example.com/app');
  expect([...go!.modules.keys()]).toEqual(['example.com/dep']);
  expect(go?.settings.get('-ldflags')).toBe('-X "main.name=a b"');
});

test('a linker that leaves relocated words empty, as lld does, changes no answer', () => {
  const bytes = new Uint8Array(readFileSync(piePath));
  const image = openElfImage(bytes, piePath);
  const emptied = new Uint8Array(bytes);
  let words = 0;
  for (const line of run('readelf', ['-rW', piePath], {}).split('\n')) {
    const match = /^([0-9a-f]{16})\s+[0-9a-f]+ R_(?:X86_64|AARCH64)_RELATIVE\s/.exec(line);
    if (!match) continue;
    const at = image.offsetOf(Number.parseInt(match[1]!, 16), 8);
    emptied.fill(0, at, at + 8);
    words++;
  }
  expect(words).toBeGreaterThan(10_000);
  const [normal, empty] = [openBinary(sourceOf(piePath, bytes)), openBinary(sourceOf(piePath, emptied))];
  for (const name of ['main.main', 'net/http.(*conn).serve']) {
    expect(empty.symbols.find(name)).toEqual(normal.symbols.find(name)!);
  }
  for (const path of [['Method'], ['URL', 'Path'], ['ctx'], ['Body']]) {
    const expected = normal.go!.types.field('net/http.Request', ...path);
    expect(expected).toBeDefined();
    expect(empty.go!.types.field('net/http.Request', ...path)).toEqual(expected);
  }
  expect(empty.go!.types.headerMap()).toEqual(normal.go!.types.headerMap());
  expect(empty.go!.types.descriptor('*net/http.Request')).toBe(normal.go!.types.descriptor('*net/http.Request'));
});

test('after release, answers given before stay and new questions are refused', () => {
  const binary = openBinary(sourceOf(goPath));
  const main = binary.symbols.find('main.main')!;
  const method = binary.go!.types.field('net/http.Request', 'Method');
  const absent = binary.go!.types.field('net/http.Request', 'Nothing');
  const header = binary.go!.types.headerMap();
  const code = binary.code(main, 16);
  binary.release();
  expect(binary.symbols.find('main.main')).toBe(main);
  expect(binary.go!.types.field('net/http.Request', 'Method')).toBe(method);
  expect(binary.go!.types.field('net/http.Request', 'Nothing')).toBe(absent);
  expect(binary.go!.types.headerMap()).toBe(header);
  expect(code).toHaveLength(16);
  const refused = expect.objectContaining({ code: 'E_FILE_CHANGED', on: goPath });
  expect(() => binary.symbols.find('main.init')).toThrow(refused);
  expect(() => binary.symbols.at(main.address)).toThrow(refused);
  expect(() => binary.go!.types.field('net/http.Request', 'URL')).toThrow(refused);
  expect(() => binary.code(main, 16)).toThrow(refused);
});

test('a map that was closed without release is noticed, and copied code stays', () => {
  const source = sourceOf(goPath);
  const before = new Uint8Array(source.bytes);
  const binary = openBinary(source);
  const main = binary.symbols.find('main.main')!;
  const code = binary.code(main, 32);
  structuredClone(source.bytes.buffer, { transfer: [source.bytes.buffer as ArrayBuffer] });
  expect(() => binary.symbols.find('main.init')).toThrow(expect.objectContaining({ code: 'E_FILE_CHANGED' }));
  expect(code).toEqual(before.subarray(main.fileOffset, main.fileOffset + 32));
});

describe('a Go program that is damaged says where', () => {
  const damaged = (change: (view: DataView, at: (section: string) => number) => void) => {
    const bytes = new Uint8Array(readFileSync(goPath));
    const image = openElfImage(bytes, goPath);
    change(new DataView(bytes.buffer), (section) => image.section(section)!.offset);
    return () => openBinary(sourceOf('/srv/shop', bytes));
  };

  test('the function table of an older Go', () => {
    const open = damaged((view, at) => view.setUint32(at('.gopclntab'), 0xfffffffa, true));
    expect(open).toThrow(expect.objectContaining({ code: 'E_GO_PCLNTAB', on: '/srv/shop' }));
    expect(open).toThrow(/magic 0xfffffffa/);
  });

  test('moduledata that does not fit its function table', () => {
    const open = damaged((view, at) => view.setBigUint64(at('.gopclntab') + 8, 77n, true));
    expect(open).toThrow(expect.objectContaining({ code: 'E_GO_MODULEDATA', on: '/srv/shop' }));
    expect(open).toThrow(/ftab length \d+ is not the header's 77/);
  });
});
