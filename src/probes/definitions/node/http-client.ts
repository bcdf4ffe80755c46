import type { ProbeDefinition } from '../../../contract/decision.ts';
import { spanWriter } from '../../../semconv/span-table.ts';
import { EventKind, NodeRole } from '../../layout.gen.ts';
import { openSpans } from '../../open-spans.ts';
import { nodeHttpClientSpan } from './http-client-span.ts';
import {
  hasNodeSockets,
  nodeConnections,
  nodeConstants,
  nodeEntries,
  nodeLongFields,
  nodePoints,
  nodeSockets,
} from './sockets.ts';

const inFlight = 'node_http_client_in_flight';

/** Node.js's HTTP/1 clients (`http`, `https`, `fetch`), by what they write and what JavaScript reads. */
export const nodeHttpClient = {
  name: 'node/http/client',
  library: 'http, https, fetch (client, HTTP/1.x)',
  versions: 'Node.js 18 – 26, official builds',
  runtime: 'node',
  hitsPerSpan: 2,
  object: 'node_http_client',
  program: 'node_http_client',
  group: { ...nodeSockets, role: NodeRole.CLIENT },
  needs: ['bpfLoop'],
  configMap: 'node_configs',
  inFlight: [openSpans(inFlight, EventKind.NODE_HTTP_CLIENT), nodeConnections, nodeLongFields],
  entriesPerRequest: { ...nodeEntries, [inFlight]: 2 },
  recordKinds: [EventKind.NODE_HTTP_CLIENT],
  points: [nodePoints.write, nodePoints.read, nodePoints.close, nodePoints.tlsWrite, nodePoints.connect],
  matches: hasNodeSockets,
  constants: nodeConstants,
  write: spanWriter(nodeHttpClientSpan),
} as const satisfies ProbeDefinition;
