import type { Binary } from '../../../contract/binary.ts';
import type { Constants, ProbeDefinition } from '../../../contract/decision.ts';
import { httpClientSpan } from '../../../semconv/http-client.ts';
import { spanWriter } from '../../../semconv/span-table.ts';
import { Constant, EventKind, GoHttpClientConfig, HttpClientMoment } from '../../layout.gen.ts';
import { openSpans } from '../../open-spans.ts';
import { goFacts } from './binary.ts';
import { goErrorType, hasGoError } from './errors.ts';
import { datadog, otelContrib } from './instrumentation.ts';

const roundTrip = 'net/http.(*Transport).roundTrip';
/** What http.ClientConn.RoundTrip() of Go 1.26 calls on an HTTP/1 connection. As `roundTrip`, it has the request as its second argument. */
const connRoundTrip = 'net/http.http1ClientConn.RoundTrip';

/**
 * Go's net/http client, HTTP/1 and HTTP/2: one span for each attempt, so that redirects and retries show. All attempts go through
 * `roundTrip`, also those of reverse proxies and of transports around net/http's. From Go 1.21 to 1.27, it has this shape:
 *
 *     if altRT := t.alternateRoundTripper(req); altRT != nil {
 *         if resp, err := altRT.RoundTrip(req); err != ErrSkipAltProtocol { return resp, err }   // alternate
 *         req, err = rewindBody(req)
 *     }
 *     for {
 *         select { case <-ctx.Done(): return nil, …; default: }                                  // cancelled
 *         pconn, err := t.getConn(treq, cm)
 *         if err != nil { return nil, err }                                                      // no_connection
 *         if pconn.alt != nil { resp, err = pconn.alt.RoundTrip(req) } else { resp, err = pconn.roundTrip(treq) }
 *         if err == nil { return resp, nil }                                                     // end: the branch
 *         if !pconn.shouldRetryRequest(req, err) { return nil, err }
 *         req, err = rewindBody(req)                                                             // retry
 *     }
 */
export const goHttpClient = {
  name: 'go/net/http/client',
  library: 'net/http (client, HTTP/1.x and HTTP/2)',
  versions: 'Go 1.21 – 1.27',
  runtime: 'go',
  hitsPerSpan: 2,
  object: 'go_http_client',
  program: 'go_http_client',
  configMap: 'go_http_client_configs',
  inFlight: [openSpans('go_http_client_in_flight', EventKind.HTTP_CLIENT)],
  // Half of it is for finished calls of goroutines that make more calls.
  entriesPerRequest: { go_http_client_in_flight: 2 },
  lruEntriesPerRequest: { go_connections: 1, go_goroutines: 1 },
  instrumentedBy: [otelContrib('net/http/otelhttp', ['(*Transport).RoundTrip']), datadog('net/http')],
  recordKinds: [EventKind.HTTP_CLIENT],
  points: [
    {
      moment: HttpClientMoment.START,
      name: 'start',
      place: { at: 'entry', function: roundTrip },
      required: true,
      purpose: 'the start of every call',
      spec: 'address',
    },
    {
      moment: HttpClientMoment.END,
      name: 'end',
      place: { at: 'resultBranch', function: roundTrip, callee: 'net/http.(*persistConn).roundTrip', of: 'callee' },
      required: true,
      purpose: 'the end of every call',
    },
    {
      moment: HttpClientMoment.ALTERNATE,
      name: 'alternate',
      place: {
        at: 'resultBranch',
        function: roundTrip,
        callee: 'net/http.(*Transport).alternateRoundTripper',
        of: 'result',
      },
      required: false,
      purpose: 'HTTP/2 calls on connections that are open',
    },
    {
      moment: HttpClientMoment.NO_CONNECTION,
      name: 'no_connection',
      place: { at: 'resultPath', function: roundTrip, callee: 'net/http.(*Transport).getConn', result: 'error' },
      required: true,
      purpose: 'calls that get no connection',
    },
    {
      moment: HttpClientMoment.CANCELLED,
      name: 'cancelled',
      place: { at: 'resultPath', function: roundTrip, callee: 'runtime.selectnbrecv', result: 'true' },
      required: false,
      purpose: 'calls that are cancelled before they are sent',
    },
    {
      moment: HttpClientMoment.RETRY,
      name: 'retry',
      place: {
        at: 'call',
        function: roundTrip,
        callees: ['net/http.rewindBody'],
        behind: 'net/http.(*persistConn).shouldRetryRequest',
      },
      required: false,
      purpose: 'further attempts of a call, after a connection was lost',
      spec: 'address',
    },
    {
      moment: HttpClientMoment.START,
      name: 'start',
      place: { at: 'entry', function: connRoundTrip },
      required: false,
      purpose: 'calls of http.ClientConn',
      calls: ['(*ClientConn).RoundTrip'],
      spec: 'address',
    },
    {
      moment: HttpClientMoment.END,
      name: 'end',
      place: {
        at: 'resultBranch',
        function: connRoundTrip,
        callee: 'net/http.(*persistConn).roundTrip',
        of: 'callee',
      },
      required: false,
      purpose: 'the end of calls of http.ClientConn',
      calls: ['(*ClientConn).RoundTrip'],
    },
  ],
  matches: (binary) => binary.symbols.find(roundTrip) !== undefined,
  constants,
  write: spanWriter(httpClientSpan({ errorType: (record) => (hasGoError(record) ? goErrorType(record) : undefined) })),
} as const satisfies ProbeDefinition;

type ConfigField = keyof typeof GoHttpClientConfig;

/** By the struct that has them. Each struct is read in one piece. */
const fields = {
  requestBytes: {
    requestMethod: ['net/http.Request', 'Method'],
    requestUrl: ['net/http.Request', 'URL'],
    requestHeader: ['net/http.Request', 'Header'],
    requestCtx: ['net/http.Request', 'ctx'],
  },
  urlBytes: {
    urlScheme: ['net/url.URL', 'Scheme'],
    urlHost: ['net/url.URL', 'Host'],
    urlPath: ['net/url.URL', 'Path'],
    urlRawPath: ['net/url.URL', 'RawPath'],
    urlRawQuery: ['net/url.URL', 'RawQuery'],
    urlOpaque: ['net/url.URL', 'Opaque'],
    urlForceQuery: ['net/url.URL', 'ForceQuery'],
  },
} as const satisfies Partial<Record<ConfigField, Partial<Record<ConfigField, readonly [string, string]>>>>;

/** `StatusCode int; Proto string; ProtoMajor int; ProtoMinor int`, as in net/http.Response. */
const protoMajorBehindStatus = 24;

function constants(binary: Binary): Constants {
  const types = binary.go?.types;
  if (!types) return { found: false, missing: 'Go type descriptors' };
  const bytes = new Uint8Array(GoHttpClientConfig.size);
  const view = new DataView(bytes.buffer);
  for (const [total, members] of Object.entries(fields)) {
    let end = 0;
    for (const [name, [type, field]] of Object.entries(members)) {
      const path = types.field(type, field);
      if (path?.flatOffset === undefined) return { found: false, missing: `${type}.${field}` };
      view.setUint16(GoHttpClientConfig[name as ConfigField], path.flatOffset, true);
      end = Math.max(end, path.flatOffset + path.sizeBytes);
    }
    if (end > Constant.RAW_BYTES) return { found: false, missing: `${total} within ${Constant.RAW_BYTES} (${end})` };
    view.setUint16(GoHttpClientConfig[total as ConfigField], end, true);
  }
  const status = types.field('net/http.Response', 'StatusCode')?.flatOffset;
  const major = types.field('net/http.Response', 'ProtoMajor')?.flatOffset;
  if (status === undefined || major !== status + protoMajorBehindStatus) {
    return { found: false, missing: 'net/http.Response.ProtoMajor behind StatusCode' };
  }
  view.setUint16(GoHttpClientConfig.responseStatus, status, true);
  if (!types.headerMap()) return { found: false, missing: 'layout of map[string][]string' };
  return { found: true, bytes, ...goFacts(binary) };
}
