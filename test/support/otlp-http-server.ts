import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { HandleExport, OtlpReceiverOptions, RunningServer } from './otlp-receiver.ts';

const statusCodes = { ok: 200, unavailable: 503, overloaded: 429, invalid: 400, exhausted: 413 } as const;

/** `POST /v1/traces` over HTTP/1 with protobuf bodies on loopback. */
export async function startHttp(
  handle: HandleExport,
  port: number,
  tls: OtlpReceiverOptions['tls'],
): Promise<RunningServer> {
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const sent = await buffer(request);
    if (request.method !== 'POST' || request.url !== '/v1/traces') return void response.writeHead(404).end();
    if (request.headers['content-type'] !== 'application/x-protobuf') return void response.writeHead(415).end();
    const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const { status, body, retryAfterSeconds, page } = await handle(bytes, headers);
    const retryAfter = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
    if (page) {
      const type = page.contentType === undefined ? {} : { 'content-type': page.contentType };
      return void response.writeHead(page.status, type).end(body);
    }
    response.writeHead(statusCodes[status], { 'content-type': 'application/x-protobuf', ...retryAfter }).end(body);
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    respond(request, response).catch((error: Error) => response.writeHead(400).end(error.message));
  };
  const server = tls
    ? createTlsServer(
        {
          cert: tls.cert,
          key: tls.key,
          ...(tls.clientCa && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
        },
        onRequest,
      )
    : createServer(onRequest);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
