import type { Binary, FieldPath, GoMapLayout, GoTypes } from '../../contract/binary.ts';
import type { Constants, ProbeDefinition } from '../../contract/decision.ts';
import { Constant, EventKind, GoHttpConfig, GoMap, Moment } from '../layout.gen.ts';
import { writeHttpServerSpan } from './http-server-span.ts';

const absent = Constant.FIELD_ABSENT;
const rawBytes = Constant.RAW_BYTES;

/**
 * Go's net/http server, HTTP/1.x. Sites hold for Go 1.18 and newer; `conn.serve` has had this shape since 1.8:
 *
 *     serverHandler{c.server}.ServeHTTP(w, w.req)   // start: its entry
 *     w.cancelCtx()
 *     if c.hijacked() { return }                    // end: always run, hijacked or not
 *     w.finishRequest()
 *
 * and its deferred function calls `disableWriteContinue` (≥ 1.23) or `abortPendingRead` only while a response is in flight,
 * that is when the handler panicked.
 */
export const goHttpServer = {
  name: 'go/net/http/server',
  library: 'net/http (server, HTTP/1.x)',
  versions: 'Go 1.18 – 1.27',
  runtime: 'go',
  hitsPerSpan: 2,
  object: 'go_http',
  program: 'go_http_server',
  configMap: 'go_http_configs',
  eventKind: EventKind.HTTP_SERVER,
  points: [
    {
      moment: Moment.START,
      place: { at: 'entry', function: 'net/http.serverHandler.ServeHTTP' },
      required: true,
      purpose: 'the start of every request',
    },
    {
      moment: Moment.END,
      place: {
        at: 'afterCall',
        function: 'net/http.(*conn).serve',
        callee: 'net/http.serverHandler.ServeHTTP',
      },
      required: true,
      purpose: 'the end of every request',
    },
    {
      moment: Moment.PANIC,
      place: {
        at: 'call',
        function: 'net/http.(*conn).serve.func1',
        callees: ['net/http.(*response).disableWriteContinue', 'net/http.(*connReader).abortPendingRead'],
      },
      required: false,
      purpose: 'spans of handlers that panic',
    },
  ],
  matches: (binary) => binary.symbols.find('net/http.serverHandler.ServeHTTP') !== undefined,
  constants,
  write: writeHttpServerSpan,
} as const satisfies ProbeDefinition;

function constants(binary: Binary): Constants {
  const types = binary.go?.types;
  if (!types) return { found: false, missing: 'Go type descriptors' };
  const request = (field: string) => types.field('net/http.Request', field);
  const required = {
    requestMethod: request('Method'),
    requestHeader: request('Header'),
    requestHost: request('Host'),
    requestRemoteAddr: request('RemoteAddr'),
    requestTarget: request('RequestURI'),
    requestTls: request('TLS'),
    requestProtoMajor: request('ProtoMajor'),
    requestProtoMinor: request('ProtoMinor'),
    requestCtx: request('ctx'),
    responseStatus: types.field('net/http.response', 'status'),
    responseConn: types.field('net/http.response', 'conn'),
  };
  const optional = {
    requestPattern: request('Pattern'),
    requestPat: request('pat'),
    patternStr: types.field('net/http.pattern', 'str'),
    connHijacked: types.field('net/http.conn', 'hijackedv'),
    cancelCtxErr: types.field('context.cancelCtx', 'err'),
  };
  const view = new DataView(new ArrayBuffer(GoHttpConfig.size));
  const put = (name: keyof typeof GoHttpConfig, value: number) => view.setUint16(GoHttpConfig[name], value, true);
  const notes: string[] = [];
  let end = 0;
  for (const [name, path] of Object.entries(required) as [keyof typeof required, FieldPath | undefined][]) {
    const offset = path?.flatOffset;
    if (path === undefined || offset === undefined) return { found: false, missing: describe(name) };
    put(name, offset);
    if (name.startsWith('request')) end = Math.max(end, offset + path.sizeBytes);
  }
  for (const [name, path] of Object.entries(optional) as [keyof typeof optional, FieldPath | undefined][]) {
    put(name, path?.flatOffset ?? absent);
  }
  if (end >= rawBytes) return { found: false, missing: `net/http.Request within ${rawBytes} bytes (it needs ${end})` };
  put('requestBytes', end);
  putConnectionContext(types, put);
  const map = types.headerMap();
  if (!map) return { found: false, missing: 'layout of map[string][]string' };
  putHeaderMap(map, put);
  if (!optional.requestPattern && !(optional.requestPat && optional.patternStr)) {
    notes.push('http.route is not recorded: this Go keeps the matched pattern nowhere (1.22 and newer do)');
  }
  if (!optional.cancelCtxErr)
    notes.push('aborted clients are not recognised: context.cancelCtx.err is not in the binary');
  return { found: true, bytes: new Uint8Array(view.buffer), notes };
}

type Put = (name: keyof typeof GoHttpConfig, value: number) => void;

/** `cancelCtx` embeds its parent, an interface whose data word is the connection's own cancelCtx. */
function putConnectionContext(types: GoTypes, put: Put): void {
  const parent = types.field('context.cancelCtx', 'Context')?.flatOffset;
  put('cancelCtxParent', parent === undefined ? absent : parent + 8);
}

function putHeaderMap(map: GoMapLayout, put: Put): void {
  const stringBytes = 16;
  if (map.kind === 'swiss') {
    put('mapKind', GoMap.SWISS);
    put('mapUsed', map.used);
    put('mapDirPtr', map.dirPtr);
    put('mapDirLen', map.dirLen);
    put('tableGroups', map.tableGroups);
    put('tableLengthMask', map.tableLengthMask);
    put('groupBytes', map.groupSize);
    put('groupKeys', map.slots);
    put('groupElems', map.slots + stringBytes);
    put('groupKeyStride', map.slotStride);
    put('groupElemStride', map.slotStride);
    put('bucketOverflow', absent);
    return;
  }
  put('mapKind', GoMap.HMAP);
  put('mapUsed', map.count);
  put('mapDirPtr', map.buckets);
  put('mapDirLen', map.log2Buckets);
  put('groupBytes', map.bucketSize);
  put('groupKeys', map.keys);
  put('groupElems', map.elems);
  put('groupKeyStride', stringBytes);
  put('groupElemStride', stringBytes + 8);
  put('bucketOverflow', map.overflow);
}

/** `requestTarget` → `net/http: field requestTarget`, for people. */
function describe(name: string): string {
  return `offset of ${name} (net/http.Request, net/http.response)`;
}
