/** The constants of go/net/http/server: from a binary's type descriptors to `struct uspan_go_http_config`. */
import { describe, expect, test } from 'vitest';
import type { Binary, FieldPath, GoMapLayout } from '../../src/contract/binary.ts';
import { goHttpServer } from '../../src/probes/definitions/go/http-server.ts';
import { Constant, GoBinary, GoHttpConfig, GoMap, ProbeHead } from '../../src/probes/layout.gen.ts';
import { programOf } from './sites-program.ts';

const swiss: GoMapLayout = {
  kind: 'swiss',
  used: 0,
  dirPtr: 16,
  dirLen: 24,
  tableGroups: 17,
  tableLengthMask: 25,
  slots: 8,
  slotStride: 40,
  groupSize: 328,
};
const hmap: GoMapLayout = {
  kind: 'hmap',
  count: 0,
  log2Buckets: 9,
  buckets: 16,
  keys: 8,
  elems: 136,
  overflow: 328,
  bucketSize: 336,
};

/** Offset and size of every field. Each has a number of its own, which shows where it went. */
const fields: Readonly<Record<string, readonly [offset: number, sizeBytes: number]>> = {
  'net/http.Request.Method': [8, 16],
  'net/http.Request.Header': [56, 8],
  'net/http.Request.Host': [128, 16],
  'net/http.Request.RemoteAddr': [176, 16],
  'net/http.Request.RequestURI': [192, 16],
  'net/http.Request.TLS': [208, 8],
  'net/http.Request.ProtoMajor': [40, 8],
  'net/http.Request.ProtoMinor': [48, 8],
  'net/http.Request.ctx': [240, 16],
  'net/http.Request.Pattern': [224, 16],
  'net/http.Request.pat': [256, 8],
  'net/http.Request.ContentLength': [88, 8],
  'net/http.conn.bufr': [112, 8],
  'bufio.Reader.buf': [3, 24],
  'bufio.Reader.r': [43, 8],
  'net/http.pattern.str': [1, 16],
  'net/http.response.status': [120, 8],
  'net/http.response.conn': [2, 8],
  'net/http.response.w': [56, 8],
  'context.cancelCtx.err': [88, 16],
  'context.cancelCtx.Context': [4, 16],
  'runtime.g.goid': [152, 8],
  'runtime.g._panic': [32, 8],
  'runtime._panic.goexit': [90, 1],
};

function constantsOf(
  changes: Readonly<Record<string, readonly [number, number] | undefined>> = {},
  map: GoMapLayout | null = swiss,
) {
  const known = { ...fields, ...changes };
  const types = {
    field(type: string, ...names: string[]): FieldPath | undefined {
      const found = known[[type, ...names].join('.')];
      if (!found) return undefined;
      const [flatOffset, sizeBytes] = found;
      return { steps: [{ offset: flatOffset, deref: false }], flatOffset, sizeBytes, kind: 24 };
    },
    descriptor: () => 0,
    hash: () => undefined,
    start: 0,
    contextWrappers: () => [],
    errorWrappers: () => [],
    headerMap: () => map ?? undefined,
  };
  const go = { version: 'go1.26', path: 'main', main: undefined, modules: new Map(), settings: new Map(), types };
  return goHttpServer.constants({ ...programOf({}), go } satisfies Binary);
}

function configOf(...args: Parameters<typeof constantsOf>) {
  const constants = constantsOf(...args);
  if (!constants.found) throw new Error(constants.missing);
  expect(constants.bytes).toHaveLength(GoHttpConfig.size);
  const view = new DataView(constants.bytes.buffer);
  const { size: _, ...all } = GoHttpConfig;
  const offsets = Object.fromEntries(Object.entries(all).filter(([name]) => !/^(probe|reserved)/.test(name)));
  // The agent fills in the head.
  expect(constants.bytes.subarray(0, ProbeHead.size).every((byte) => byte === 0)).toBe(true);
  const values = Object.entries(offsets).map(([name, at]) => [name, view.getUint16(at, true)]);
  return {
    config: { ...Object.fromEntries(values), ...factsOf(constants.goBinary!) } as Record<string, number>,
    notes: constants.notes,
  };
}

/** What the program uses of a binary's facts. */
function factsOf(bytes: Uint8Array): Record<string, number> {
  expect(bytes).toHaveLength(GoBinary.size);
  const view = new DataView(bytes.buffer);
  const { map: _, ...all } = GoBinary;
  const map = Object.entries(all).filter(([name]) => name.startsWith('map'));
  return {
    ...Object.fromEntries(map.map(([name, at]) => [name, view.getUint16(at, true)])),
    cancelCtxParent: view.getUint16(GoBinary.cancelCtxParent, true),
    cancelCtxErr: view.getUint16(GoBinary.linkCancelCtxErr, true),
    gGoid: view.getUint16(GoBinary.linkGGoid, true),
  };
}

test('every offset has its place', () => {
  expect(configOf()).toEqual({
    config: {
      requestBytes: 256, // the end of the last needed field: ctx
      requestMethod: 8,
      requestHeader: 56,
      requestHost: 128,
      requestRemoteAddr: 176,
      requestTarget: 192,
      requestTls: 208,
      requestProtoMajor: 40,
      requestProtoMinor: 48,
      requestCtx: 240,
      requestPattern: 224,
      requestPat: 256,
      patternStr: 1,
      responseStatus: 120,
      responseConn: 2,
      responseWriter: 56,
      gPanic: 32,
      panicGoexit: 90,
      http2Handler: Constant.FIELD_ABSENT,
      alpnHash: 0, // the binary lacks the type
      requestContentLength: 88,
      connBufr: 112,
      readerBuf: 3,
      readerRead: 43,
      readerBytes: 51,
      cancelCtxParent: 4 + 8, // the data word of the interface
      cancelCtxErr: 88,
      gGoid: 152,
      mapKind: GoMap.SWISS,
      mapUsed: 0,
      mapDirPtr: 16,
      mapDirLen: 24,
      mapTableGroups: 17,
      mapTableLengthMask: 25,
      mapGroupBytes: 328,
      mapGroupKeys: 8,
      mapGroupElems: 24,
      mapGroupKeyStride: 40,
      mapGroupElemStride: 40,
      mapBucketOverflow: Constant.FIELD_ABSENT,
    },
    notes: [],
  });
});

test('the maps before Go 1.24', () => {
  expect(configOf({}, hmap).config).toMatchObject({
    mapKind: GoMap.HMAP,
    mapUsed: 0,
    mapDirPtr: 16,
    mapDirLen: 9,
    mapGroupBytes: 336,
    mapGroupKeys: 8,
    mapGroupElems: 136,
    mapGroupKeyStride: 16,
    mapGroupElemStride: 24,
    mapBucketOverflow: 328,
  });
});

describe('a field that is needed is named when it is missing', () => {
  const optional = [
    'Request.Pattern',
    'Request.pat',
    'pattern.str',
    'response.w',
    'g._panic',
    '_panic.goexit',
    'cancelCtx.err',
    'cancelCtx.Context',
    'g.goid',
    'Request.ContentLength',
    'conn.bufr',
    'Reader.buf',
    'Reader.r',
  ];
  const needed = Object.keys(fields).filter((name) => !optional.some((end) => name.endsWith(end)));

  test.each(needed)('%s', (name) => {
    expect(constantsOf({ [name]: undefined })).toEqual({ found: false, missing: name });
  });

  test('all of them, and the layout of the header map', () => {
    const missing = (answer: ReturnType<typeof constantsOf>) => (answer.found ? undefined : answer.missing);
    expect(missing(goHttpServer.constants(programOf({})))).toBe('Go type descriptors');
    expect(missing(constantsOf({}, null))).toBe('layout of map[string][]string');
  });
});

test('a Request too large to be copied is told', () => {
  const far = { 'net/http.Request.ctx': [Constant.RAW_BYTES, 16] as const };
  expect(constantsOf(far)).toEqual({
    found: false,
    missing: `net/http.Request within ${Constant.RAW_BYTES} bytes (it needs ${Constant.RAW_BYTES + 16})`,
  });
});

describe('what a span may lack is absent, with a note', () => {
  const absent = Constant.FIELD_ABSENT;

  test('Go 1.22 has the pattern behind a pointer, before that there is none', () => {
    expect(configOf({ 'net/http.Request.Pattern': undefined })).toMatchObject({
      config: { requestPattern: absent },
      notes: [],
    });
    for (const gone of ['net/http.Request.pat', 'net/http.pattern.str']) {
      const { notes } = configOf({ 'net/http.Request.Pattern': undefined, [gone]: undefined });
      expect(notes).toEqual([expect.stringContaining('http.route is not recorded')]);
    }
  });

  test.each([
    ['context.cancelCtx.err', 'cancelCtxErr', 'aborted clients'],
    ['net/http.response.w', 'responseWriter', 'hijacked connections'],
    ['runtime.g._panic', 'gPanic', 'runtime.Goexit in a handler'],
    ['runtime._panic.goexit', 'panicGoexit', 'runtime.Goexit in a handler'],
  ] as const)('%s', (field, name, note) => {
    const { config, notes } = configOf({ [field]: undefined });
    expect(config[name]).toBe(absent);
    expect(notes).toEqual([expect.stringContaining(note)]);
  });

  test('a writer elsewhere than 64 bytes before the status is not read', () => {
    const { config, notes } = configOf({ 'net/http.response.w': [48, 8] });
    expect(config.responseWriter).toBe(absent);
    expect(notes).toEqual([expect.stringContaining('hijacked connections')]);
  });

  test.each(['net/http.Request.ContentLength', 'net/http.conn.bufr', 'bufio.Reader.buf', 'bufio.Reader.r'])(
    'without %s the header map is asked',
    (field) => {
      expect(configOf({ [field]: undefined })).toMatchObject({ config: { readerBytes: 0 }, notes: [] });
    },
  );

  test('the parent of a context', () => {
    expect(configOf({ 'context.cancelCtx.Context': undefined }).config.cancelCtxParent).toBe(absent);
  });
});
