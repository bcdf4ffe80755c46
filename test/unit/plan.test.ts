import { describe, expect, test } from 'vitest';
import type { Binary, GoInfo } from '../../src/contract/binary.ts';
import type { Constants, Decision, Point, ProbeDefinition } from '../../src/contract/decision.ts';
import { goHttpServer } from '../../src/probes/definitions/go/http-server.ts';
import { HttpServerMoment as Moment } from '../../src/probes/layout.gen.ts';
import { type PlanOptions, plan } from '../../src/probes/plan.ts';
import { addressOf, call, programOf } from './sites-program.ts';

const strict: PlanOptions = { allowSingleStep: false, allowInstrumented: false };

const start: Point = {
  moment: Moment.START,
  name: 'start',
  place: { at: 'entry', function: 'lib.Serve' },
  required: true,
  purpose: 'the start of every request',
};
const end: Point = {
  moment: Moment.END,
  name: 'end',
  place: { at: 'afterCall', function: 'lib.loop', callee: 'lib.Serve' },
  required: true,
  purpose: 'the end of every request',
};
const panic: Point = {
  moment: Moment.PANIC,
  name: 'panic',
  place: { at: 'call', function: 'lib.loop.func1', callees: ['lib.recovered'] },
  required: false,
  purpose: 'spans of handlers that panic',
};

const found: Constants = { found: true, bytes: Uint8Array.of(1, 2, 3), notes: ['a field is missing'] };

function definition(changes: Partial<ProbeDefinition> = {}): ProbeDefinition {
  return {
    name: 'go/lib/server',
    library: 'lib (server)',
    versions: '1',
    runtime: 'go',
    hitsPerSpan: 2,
    object: 'lib',
    program: 'lib_server',
    configMap: 'lib_configs',
    inFlight: [],
    entriesPerRequest: {},
    instrumentedBy: goHttpServer.instrumentedBy,
    points: [start, end, panic],
    recordKinds: [],
    matches: (binary) => binary.symbols.find('lib.Serve') !== undefined,
    constants: () => found,
    write: () => expect.unreachable('a plan writes no span'),
    ...changes,
  };
}

const functions = {
  'lib.Serve': '55 c3',
  'lib.loop': `55 ${call(addressOf(1) + 1, addressOf(0))} 90 c3`,
  'lib.loop.func1': `${call(addressOf(2), addressOf(3))} c3`,
  'lib.recovered': 'c3',
};
const steppedServe = { ...functions, 'lib.Serve': '488b4008 c3' }; // mov 0x8(%rax),%rax

function binary(changes: Partial<Binary> = {}, code: Readonly<Record<string, string>> = functions): Binary {
  return { ...programOf(code), ...changes };
}

function goWith(...modules: string[]): GoInfo {
  return {
    version: 'go1.26.8',
    path: 'example.com/shop',
    main: undefined,
    modules: new Map(modules.map((module) => [module, 'v1.0.0'])),
    settings: new Map(),
    types: {
      start: 0,
      field: () => undefined,
      descriptor: () => undefined,
      hash: () => undefined,
      contextWrappers: () => [],
      errorWrappers: () => [],
      headerMap: () => undefined,
    },
  };
}

function decide(subject: Binary, changes: Partial<ProbeDefinition> = {}, options: Partial<PlanOptions> = {}): Decision {
  const decisions = plan(subject, 'executable', [definition(changes)], { ...strict, ...options });
  expect(decisions).toHaveLength(1);
  return decisions[0]!;
}

test('all points found', () => {
  expect(decide(binary())).toMatchObject({
    do: 'attach',
    sites: [
      { moment: Moment.START, function: 'lib.Serve', class: 'push', address: addressOf(0) },
      { moment: Moment.END, function: 'lib.loop', class: 'nop', address: addressOf(1) + 6 },
      { moment: Moment.PANIC, function: 'lib.loop.func1', class: 'call', address: addressOf(2) },
    ],
    constants: Uint8Array.of(1, 2, 3),
    notes: ['a field is missing'],
  });
});

describe('skipped', () => {
  const skip = (reason: string, detail: string) => ({ do: 'skip', reason, detail });

  test('library_absent', () => {
    expect(decide(binary({}, { 'main.main': 'c3' }))).toMatchObject(
      skip('library_absent', 'the binary does not contain lib (server)'),
    );
  });

  test('machine_untested', () => {
    expect(decide(binary({ machine: 'arm64' }))).toMatchObject(skip('machine_untested', 'no site rules for arm64 yet'));
  });

  test('kernel_feature', () => {
    const needs = ['bpfLoop'] as const;
    const lacking = (lacks: PlanOptions['kernelLacks']) =>
      plan(binary(), 'executable', [definition({ needs })], { ...strict, kernelLacks: lacks })[0];
    expect(lacking(needs)).toMatchObject(skip('kernel_feature', 'this kernel lacks bpfLoop: see uspan doctor'));
    expect([lacking([])!.do, lacking(undefined)!.do]).toEqual(['attach', 'attach']);
    expect(plan(binary(), 'executable', [definition()], { ...strict, kernelLacks: needs })[0]!.do).toBe('attach');
  });

  test('field_missing', () => {
    const constants = (): Constants => ({ found: false, missing: 'lib.Request.Method' });
    expect(decide(binary(), { constants })).toMatchObject(
      skip('field_missing', 'not told by the binary: lib.Request.Method'),
    );
  });

  test('symbol_missing: a function of a required point', () => {
    const { 'lib.loop': _, ...rest } = functions;
    expect(decide(binary({}, rest))).toMatchObject(
      skip('symbol_missing', 'lib.loop is not in the binary, needed for the end of every request'),
    );
  });

  test('symbol_missing: the call of a required point is not there, as after inlining', () => {
    expect(decide(binary({}, { ...functions, 'lib.loop': '55 c3' }))).toMatchObject(
      skip('symbol_missing', 'lib.loop does not call lib.Serve, needed for the end of every request'),
    );
  });

  test('no_cheap_site, unless single steps are allowed', () => {
    const stepped = binary({}, steppedServe);
    expect(decide(stepped)).toMatchObject(
      skip(
        'no_cheap_site',
        'only mov 8(%rax),%rax at lib.Serve, which the kernel would single-step (--single-step allows it), needed for the start of every request',
      ),
    );
    expect(decide(stepped, {}, { allowSingleStep: true })).toMatchObject({
      do: 'attach',
      sites: [{ moment: Moment.START, class: 'stepped' }, { class: 'nop' }, { class: 'call' }],
    });
  });

  test('no_cheap_site also with single steps where the kernel takes no probe at all', () => {
    const refused = binary({}, { ...functions, 'lib.Serve': 'f0ff00 c3' });
    expect(decide(refused, {}, { allowSingleStep: true })).toMatchObject({
      reason: 'no_cheap_site',
      detail: 'lib.Serve: the kernel takes no probe on lock incl (%rax), needed for the start of every request',
    });
  });

  describe('what makes the same spans itself', () => {
    const otelhttp = 'go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp';
    const datadog = 'github.com/DataDog/dd-trace-go/contrib/net/http/v2';
    const sdk = { 'go.opentelemetry.io/otel/sdk/trace.NewTracerProvider': 'c3' };
    const handler = { [`${otelhttp}.(*middleware).serveHTTP`]: 'c3' };
    const client = { [`${otelhttp}.(*Transport).RoundTrip`]: 'c3' };
    const tracer = { 'github.com/DataDog/dd-trace-go/v2/ddtrace/tracer.Start': 'c3' };
    const decideWith = (
      modules: readonly string[],
      code: Readonly<Record<string, string>>,
      options: Partial<PlanOptions> = {},
    ) => decide(binary({ go: goWith('example.com/other', ...modules) }, { ...functions, ...code }), {}, options);

    test('otelhttp around the handler, and its SDK: each process shows whether the SDK runs', () => {
      const decision = decideWith([otelhttp], { ...sdk, ...handler });
      expect(decision).toMatchObject({ do: 'attach', instrumentedBy: otelhttp });
      expect(decideWith([otelhttp], { ...sdk, ...handler }, { allowInstrumented: true })).toMatchObject({
        do: 'attach',
        instrumentedBy: undefined,
      });
    });

    test.each([
      ['otelhttp without an SDK', [otelhttp], handler],
      ['otelhttp around clients alone', [otelhttp], { ...sdk, ...client }],
      ['the SDK alone', ['go.opentelemetry.io/otel', 'go.opentelemetry.io/otel/sdk'], sdk],
      ['only the API', ['go.opentelemetry.io/otel'], {}],
      ['a tracer that nothing starts', [datadog], {}],
    ])('%s: it is traced, whatever runs', (_, modules, code) => {
      expect(decideWith(modules, code)).toMatchObject({ do: 'attach', instrumentedBy: undefined });
    });

    test('already_instrumented with the tracer of a vendor, unless asked for', () => {
      const skipped = decideWith([datadog], tracer);
      expect(skipped).toMatchObject({ reason: 'already_instrumented', detail: expect.stringContaining(datadog) });
      expect(decideWith([datadog], tracer, { allowInstrumented: true })).toMatchObject({ do: 'attach' });
    });

    test('already_instrumented for what receives OTLP: spans of exports would beget exports', () => {
      const receiver = 'go.opentelemetry.io/collector/receiver/otlpreceiver';
      expect(decideWith([receiver, otelhttp], {})).toMatchObject({
        reason: 'already_instrumented',
        detail: expect.stringContaining(receiver),
      });
      expect(decideWith([receiver], {}, { allowInstrumented: true })).toMatchObject({ do: 'attach' });
    });
  });
});

describe('an optional point that is not there is a note', () => {
  test('no such function', () => {
    const { 'lib.loop.func1': _, ...rest } = functions;
    const { 'lib.recovered': __, ...bare } = rest;
    expect(decide(binary({}, bare))).toMatchObject({
      do: 'attach',
      sites: [{ moment: Moment.START }, { moment: Moment.END }],
      notes: ['a field is missing', 'without spans of handlers that panic: lib.loop.func1 is not in the binary'],
    });
  });

  test('no call', () => {
    const decision = decide(binary({}, { ...functions, 'lib.loop.func1': 'c3' }));
    expect(decision).toMatchObject({
      notes: ['a field is missing', 'without spans of handlers that panic: lib.loop.func1 calls none of lib.recovered'],
    });
  });

  test('only a stepped site', () => {
    const optional: Point = { ...panic, place: { at: 'entry', function: 'lib.recovered' } };
    const points = [start, end, optional];
    expect(decide(binary(), { points })).toMatchObject({
      sites: [{ moment: Moment.START }, { moment: Moment.END }],
      notes: [
        'a field is missing',
        'without spans of handlers that panic: only ret at lib.recovered, which the kernel would single-step',
      ],
    });
    expect(decide(binary(), { points }, { allowSingleStep: true })).toMatchObject({
      sites: [{}, {}, { moment: Moment.PANIC, class: 'stepped' }],
      notes: ['a field is missing'],
    });
  });
});

describe('plan', () => {
  test('asks only the definitions of the runtime, in their order', () => {
    const definitions = [
      definition({ name: 'one' }),
      definition({ name: 'other', runtime: 'node' }),
      definition({ name: 'two' }),
    ];
    const names = plan(binary(), 'executable', definitions, strict).map((decision) => decision.definition.name);
    expect(names).toEqual(['one', 'two']);
    expect(plan(binary({ runtime: 'native' }), 'executable', definitions, strict)).toEqual([]);
  });

  test('one definition that does not fit does not stop another', () => {
    const definitions = [definition({ constants: () => ({ found: false, missing: 'x' }) }), definition()];
    expect(plan(binary(), 'executable', definitions, strict).map((decision) => decision.do)).toEqual([
      'skip',
      'attach',
    ]);
  });

  test('the same input gives the same output, and is left as it was', () => {
    const options = [false, true].flatMap((allowSingleStep) =>
      [false, true].map((allowInstrumented) => ({ allowSingleStep, allowInstrumented })),
    );
    const subjects = [
      binary(),
      binary({}, steppedServe),
      binary({}, { 'main.main': 'c3' }),
      binary({ machine: 'arm64' }),
      binary({ go: goWith('go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp') }),
    ];
    for (const subject of subjects) {
      for (const each of options) {
        const definitions = Object.freeze([Object.freeze(definition())]);
        const first = plan(Object.freeze(subject), 'executable', definitions, Object.freeze(each));
        expect(plan(subject, 'executable', definitions, each)).toEqual(first);
      }
    }
  });
});

describe('calls that need several points', () => {
  const point = (name: string, place: Point['place'], calls: readonly string[]): Point => ({
    moment: Moment.START,
    name,
    place,
    required: false,
    purpose: name,
    calls,
  });
  const serve = point('serve', { at: 'entry', function: 'lib.Serve' }, ['Serve']);
  const other = point('other', { at: 'entry', function: 'lib.loop' }, ['Other']);
  const shared = point('end', { at: 'call', function: 'lib.loop', callees: ['lib.Serve'] }, ['Serve', 'Other']);
  const gone: Point['place'] = { at: 'entry', function: 'lib.gone' };
  const decided = (...points: Point[]) => {
    const decision = decide(binary(), { points });
    return decision.do === 'attach'
      ? { sites: decision.sites.map(({ momentName }) => momentName), notes: decision.notes.slice(1) }
      : decision.reason;
  };

  test('all there', () => {
    expect(decided(serve, shared)).toEqual({ sites: ['serve', 'end'], notes: [] });
  });

  test('one that the program does not make is left out in silence, and its points with it', () => {
    const unused = point('unused', gone, ['Unused']);
    const unusedEnd = point('unused end', { at: 'entry', function: 'lib.loop' }, ['Unused']);
    expect(decided(serve, unused, shared, unusedEnd)).toEqual({ sites: ['serve', 'end'], notes: [] });
  });

  test('one whose end is not found is left out with a note; what others need of it stays', () => {
    const missing = point('missing', gone, ['Other']);
    expect(decided(serve, other, shared, missing)).toEqual({
      sites: ['serve', 'end'],
      notes: ['without Other: lib.gone is not in the binary'],
    });
  });

  test('one whose start is not where it should be in its function is noted', () => {
    const inlined = point('inlined', { at: 'call', function: 'lib.loop', callees: ['lib.recovered'] }, ['Other']);
    expect(decided(serve, inlined, shared)).toEqual({
      sites: ['serve', 'end'],
      notes: ['without Other: lib.loop calls none of lib.recovered'],
    });
  });

  test('none at all', () => {
    expect(decided(point('unused', gone, ['Unused']))).toBe('symbol_missing');
  });

  test('a site can tell its address', () => {
    expect(decide(binary(), { points: [{ ...start, spec: 'address' }] })).toMatchObject({
      sites: [{ address: addressOf(0), spec: addressOf(0) }],
    });
  });
});
