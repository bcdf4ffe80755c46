import type { Binary, GoTypes } from '../../../contract/binary.ts';
import type { Constants, ProbeDefinition } from '../../../contract/decision.ts';
import { httpServerSpan } from '../../../semconv/http-server.ts';
import { spanWriter } from '../../../semconv/span-table.ts';
import { Constant, EventKind, GoHttpConfig, HttpServerMoment } from '../../layout.gen.ts';
import { openSpans } from '../../open-spans.ts';
import { goFacts } from './binary.ts';
import { datadog, otel, otelContrib } from './instrumentation.ts';

const absent = Constant.FIELD_ABSENT;
const rawBytes = Constant.RAW_BYTES;

/**
 * Go's net/http server, HTTP/1.x. The sites are valid for Go 1.18 and newer. `conn.serve` has had this shape since 1.8:
 *
 *     serverHandler{c.server}.ServeHTTP(w, w.req)   // start: its entry
 *     w.cancelCtx()
 *     if c.hijacked() { return }                    // end: always run, hijacked or not
 *     w.finishRequest()
 *
 * Its deferred function calls `disableWriteContinue` (≥ 1.23) or `abortPendingRead` only while a response is in flight, that is, when the
 * handler panicked.
 */
export const goHttpServer = {
  name: 'go/net/http/server',
  library: 'net/http (server, HTTP/1.x)',
  versions: 'Go 1.18 – 1.27',
  runtime: 'go',
  servesTcp: true,
  hitsPerSpan: 2,
  object: 'go_http',
  program: 'go_http_server',
  configMap: 'go_http_configs',
  inFlight: [openSpans('go_http_in_flight', EventKind.HTTP_SERVER)],
  // Half of it is for the finished requests of connections that stay open.
  entriesPerRequest: { go_http_in_flight: 2 },
  lruEntriesPerRequest: { go_connections: 1, go_goroutines: 1 },
  instrumentedBy: [
    // The method of its handler, by its names in old and new releases.
    otelContrib('net/http/otelhttp', ['(*middleware).serveHTTP', '(*Handler).ServeHTTP']),
    otelContrib('github.com/gin-gonic/gin/otelgin'),
    otelContrib('github.com/gorilla/mux/otelmux'),
    otelContrib('github.com/labstack/echo/otelecho'),
    otelContrib('github.com/emicklei/go-restful/otelrestful'),
    otel('github.com/riandyrn/otelchi'),
    datadog('net/http'),
  ],
  recordKinds: [EventKind.HTTP_SERVER],
  points: [
    {
      moment: HttpServerMoment.START,
      name: 'start',
      place: { at: 'entry', function: 'net/http.serverHandler.ServeHTTP' },
      required: true,
      purpose: 'the start of every request',
    },
    {
      moment: HttpServerMoment.END,
      name: 'end',
      place: {
        at: 'afterCall',
        function: 'net/http.(*conn).serve',
        callee: 'net/http.serverHandler.ServeHTTP',
      },
      required: true,
      purpose: 'the end of every request',
    },
    {
      moment: HttpServerMoment.PANIC,
      name: 'panic',
      place: {
        at: 'call',
        function: 'net/http.(*conn).serve.func1',
        callees: ['net/http.(*response).disableWriteContinue', 'net/http.(*connReader).abortPendingRead'],
      },
      required: false,
      purpose: 'spans of handlers that panic',
    },
    {
      moment: HttpServerMoment.HTTP2,
      name: 'http2',
      place: { at: 'entry', function: 'golang.org/x/net/http2.(*serverConn).runHandler' },
      required: false,
      purpose: 'the count of requests to golang.org/x/net/http2',
      calls: ['golang.org/x/net/http2.(*serverConn).runHandler'],
    },
    {
      moment: HttpServerMoment.REPLIED,
      name: 'replied',
      // 400, 431, 501 and 505 from the first, 417 from the second, and 400 to HTTP on a TLS port from the third.
      place: {
        at: 'any',
        places: ['fmt.Fprintf', 'net/http.(*response).sendExpectationFailed', 'io.WriteString'].map((callee) => ({
          at: 'calls',
          function: 'net/http.(*conn).serve',
          callee,
        })),
      },
      required: false,
      purpose: 'the count of requests that the server answers itself',
    },
  ],
  // Do not use the handler's entry here. Profile-guided builds can inline it, and that needs a reason of its own, not `library_absent`.
  matches: (binary) => binary.symbols.find('net/http.(*conn).serve') !== undefined,
  constants,
  // An answer without a status has status 200.
  write: spanWriter(httpServerSpan({ implicitStatus: 200 })),
} as const satisfies ProbeDefinition;

type ConfigField = keyof typeof GoHttpConfig;
type GoField = readonly [type: string, field: string];

const requestFields = {
  requestMethod: ['net/http.Request', 'Method'],
  requestHeader: ['net/http.Request', 'Header'],
  requestHost: ['net/http.Request', 'Host'],
  requestRemoteAddr: ['net/http.Request', 'RemoteAddr'],
  requestTarget: ['net/http.Request', 'RequestURI'],
  requestTls: ['net/http.Request', 'TLS'],
  requestProtoMajor: ['net/http.Request', 'ProtoMajor'],
  requestProtoMinor: ['net/http.Request', 'ProtoMinor'],
  requestCtx: ['net/http.Request', 'ctx'],
} as const satisfies Partial<Record<ConfigField, GoField>>;

const responseFields = {
  responseStatus: ['net/http.response', 'status'],
  responseConn: ['net/http.response', 'conn'],
} as const satisfies Partial<Record<ConfigField, GoField>>;

/** Without them the span lacks something. The notes say what. */
const optionalFields = {
  requestPattern: ['net/http.Request', 'Pattern'],
  requestPat: ['net/http.Request', 'pat'],
  patternStr: ['net/http.pattern', 'str'],
  responseWriter: ['net/http.response', 'w'],
  gPanic: ['runtime.g', '_panic'],
  panicGoexit: ['runtime._panic', 'goexit'],
  http2Handler: ['golang.org/x/net/http2.serverConn', 'handler'],
} as const satisfies Partial<Record<ConfigField, GoField>>;

function constants(binary: Binary): Constants {
  const types = binary.go?.types;
  if (!types) return { found: false, missing: 'Go type descriptors' };
  const bytes = new Uint8Array(GoHttpConfig.size);
  const view = new DataView(bytes.buffer);
  const put: Put = (name, value) => view.setUint16(GoHttpConfig[name], value, true);
  let end = 0;
  for (const [name, [type, field]] of entries({ ...requestFields, ...responseFields })) {
    const path = types.field(type, field);
    if (path?.flatOffset === undefined) return { found: false, missing: `${type}.${field}` };
    put(name, path.flatOffset);
    if (name in requestFields) end = Math.max(end, path.flatOffset + path.sizeBytes);
  }
  const offsets = new Map(
    entries(optionalFields).map(([name, [type, field]]) => [name, types.field(type, field)?.flatOffset]),
  );
  // They are read in one piece.
  const statusBehindWriter = 64;
  const status = types.field(...responseFields.responseStatus)!.flatOffset!;
  if (offsets.get('responseWriter') !== status - statusBehindWriter) offsets.delete('responseWriter');
  for (const [name] of entries(optionalFields)) put(name, offsets.get(name) ?? absent);
  if (end >= rawBytes) return { found: false, missing: `net/http.Request within ${rawBytes} bytes (it needs ${end})` };
  view.setUint32(GoHttpConfig.alpnHash, types.hash('net/http.initALPNRequest') ?? 0, true);
  put('requestBytes', end);
  putReader(types, end, put);
  if (!types.headerMap()) return { found: false, missing: 'layout of map[string][]string' };
  const notes: string[] = [];
  const has = (name: keyof typeof optionalFields) => offsets.get(name) !== undefined;
  if (!has('requestPattern') && !(has('requestPat') && has('patternStr'))) {
    notes.push('http.route is not recorded: this Go keeps the matched pattern nowhere (1.22 and newer do)');
  }
  if (types.field('context.cancelCtx', 'err')?.flatOffset === undefined) {
    notes.push('aborted clients are not recognised: context.cancelCtx.err is not in the binary');
  }
  if (!has('responseWriter')) {
    notes.push('hijacked connections are not recognised: net/http.response.w is not where it is in known releases');
  }
  if (!has('gPanic') || !has('panicGoexit')) {
    notes.push('runtime.Goexit in a handler looks like a panic: runtime._panic.goexit is not in the binary');
  }
  return { found: true, bytes, notes, goBinary: goFacts(binary).goBinary };
}

/** Where a connection's reader has the head of the request that it has just read. `readerBytes` is 0 if that is unknown. */
function putReader(types: GoTypes, requestBytes: number, put: Put): void {
  const contentLength = types.field('net/http.Request', 'ContentLength')?.flatOffset;
  const connBufr = types.field('net/http.conn', 'bufr')?.flatOffset;
  const buf = types.field('bufio.Reader', 'buf')?.flatOffset;
  const read = types.field('bufio.Reader', 'r')?.flatOffset;
  if (contentLength === undefined || connBufr === undefined || buf === undefined || read === undefined) return;
  if (contentLength + 8 > requestBytes) return;
  put('requestContentLength', contentLength);
  put('connBufr', connBufr);
  put('readerBuf', buf);
  put('readerRead', read);
  put('readerBytes', Math.max(buf, read) + 8);
}

type Put = (name: ConfigField, value: number) => void;

function entries<K extends ConfigField>(fields: Readonly<Record<K, GoField>>): [K, GoField][] {
  return Object.entries(fields) as [K, GoField][];
}
