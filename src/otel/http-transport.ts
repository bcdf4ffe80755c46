import type { ClientRequest, IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { OtlpSettings } from '../contract/export-settings.ts';
import type { ExportRequest } from './export-request.ts';
import { partialSuccess, retryAfterMs, statusMessage } from './export-response.ts';
import { longestConnectMs } from './longest-connect.ts';
import type { OtlpTransport, SendFailure, SendResult } from './otlp-transport.ts';
import type { TlsFiles } from './read-tls.ts';
import { shownEndpoint } from './shown-endpoint.ts';

const gzipped = promisify(gzip);

/** Bytes of an answer that are read. OTLP's answers have some bytes, an error page some thousands. */
const maxAnswerBytes = 65_536;
/** OTLP specification, "OTLP/HTTP Response": retryable response codes. */
const retryableStatuses = new Set([429, 502, 503, 504]);
/**
 * Errors of Node.js's parser: the other end does not speak HTTP. All others are of the connection. They do not mean that the request is
 * wrong, but that the collector is away, or a network on the way, or that its certificate has to be renewed.
 */
const notHttp = /^HPE_/;

/**
 * OTLP over HTTP/1.1 with protobuf bodies (OTLP specification, "OTLP/HTTP"). A request is one POST, with its body written at once. It does
 * not import `node:http`, because that also evaluates its WebSocket, which takes megabytes for an unused client.
 */
export function openHttpTransport(
  { endpoint, headers, compression, timeoutMs }: OtlpSettings,
  tls: TlsFiles | undefined,
  userAgent: string,
): OtlpTransport {
  const url = new URL(endpoint);
  const { request, Agent } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const agent = new Agent({ keepAlive: true, ...tls });
  const encoding = compression === 'gzip' ? { 'Content-Encoding': 'gzip' } : {};
  const fixed = { ...headers, 'User-Agent': userAgent, 'Content-Type': 'application/x-protobuf', ...encoding };

  const post = (body: Uint8Array): Promise<SendResult> => {
    const { promise, resolve } = Promise.withResolvers<SendResult>();
    const sent = request(url, { method: 'POST', agent, headers: { ...fixed, 'Content-Length': body.length } });
    const giveUp = () => sent.destroy(timedOut(`no answer within ${timeoutMs} ms`));
    const connectMs = longestConnectMs(timeoutMs);
    const connecting = setTimeout(() => sent.destroy(timedOut(`no connection within ${connectMs} ms`)), connectMs);
    let timer: NodeJS.Timeout | undefined;
    sent.on('socket', (socket) => {
      const connected = () => clearTimeout(connecting);
      if (sent.reusedSocket) connected();
      else socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', connected);
    });
    // A large request may take its time over a slow line, as long as it makes progress. Then the answer has to come.
    sent.setTimeout(timeoutMs, giveUp);
    sent.on('finish', () => {
      timer = setTimeout(giveUp, timeoutMs);
    });
    sent.on('response', (answer) => {
      readAnswer(answer).then(resolve, (error: Error) => resolve(failed(error)));
    });
    let failure: Error | undefined;
    sent.on('error', (error) => {
      failure = error;
      resolve(failed(error));
    });
    sent.on('close', () => {
      clearTimeout(connecting);
      clearTimeout(timer);
    });
    sent.end(body);
    return promise.then((result) => (closedWhileIdle(sent, failure) ? post(body) : result));
  };

  return {
    endpoint: shownEndpoint(endpoint),
    async send({ bytes }: ExportRequest) {
      return post(compression === 'gzip' ? await gzipped(bytes) : bytes);
    },
    async close() {
      agent.destroy();
    },
  };
}

/**
 * The server closed a kept connection just when it was used again. This is not a failure, and the request is sent again at once (Node.js,
 * `request.reusedSocket`).
 */
function closedWhileIdle(sent: ClientRequest, failure: Error | undefined): boolean {
  return failure !== undefined && sent.reusedSocket && codeOf(failure) === 'ECONNRESET';
}

async function readAnswer(answer: IncomingMessage): Promise<SendResult> {
  const status = answer.statusCode ?? 0;
  const taken = status >= 200 && status < 300;
  const isProtobuf = /^application\/x-protobuf *(;|$)/i.test(answer.headers['content-type'] ?? '');
  const body = await readBody(answer).catch((error) => {
    // The spans have arrived, whatever became of the rest of the answer.
    if (taken && isProtobuf) return new Uint8Array(0);
    throw error;
  });
  if (taken) return readSuccess(answer, isProtobuf, body);
  const failure = { status: `HTTP ${status}`, detail: isProtobuf ? statusMessage(body) : (answer.statusMessage ?? '') };
  if (!retryableStatuses.has(status)) return { outcome: 'failed', retry: false, tooLarge: status === 413, failure };
  return {
    outcome: 'failed',
    retry: true,
    retryAfterMs: retryAfterMs(answer.headers['retry-after'], Date.now()),
    failure,
  };
}

/**
 * Many other servers say 200: a proxy, a login page. So it must be the protobuf of OTLP (OTLP specification, "OTLP/HTTP Response"). Some
 * backends take spans with another status and no body: Grafana Cloud with 204, Fluent Bit with 201.
 */
function readSuccess(answer: IncomingMessage, isProtobuf: boolean, body: Uint8Array): SendResult {
  const status = answer.statusCode ?? 0;
  const said = isProtobuf ? partialSuccess(body) : undefined;
  if (said) return { outcome: 'sent', ...said };
  if (status !== 200 && body.length === 0) return { outcome: 'sent', rejected: 0, message: '' };
  const type = answer.headers['content-type'];
  const what = isProtobuf ? 'bytes that are not protobuf' : type === undefined ? 'no content type' : type;
  return {
    outcome: 'failed',
    retry: false,
    tooLarge: false,
    failure: { status: `HTTP ${status}`, detail: `the answer is not from an OTLP collector: ${what}` },
  };
}

async function readBody(answer: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    chunks.push(chunk);
    if (length > maxAnswerBytes) break;
  }
  return Buffer.concat(chunks);
}

function failed(cause: Error): SendResult {
  const code = codeOf(cause);
  // If all addresses of a name fail, their errors come together, without a message of their own.
  const error = cause instanceof AggregateError && cause.message === '' ? (cause.errors[0] as Error) : cause;
  const failure: SendFailure = { status: code ?? error.name, detail: error.message };
  return code !== undefined && notHttp.test(code)
    ? { outcome: 'failed', retry: false, tooLarge: false, failure }
    : { outcome: 'failed', retry: true, retryAfterMs: undefined, failure };
}

function timedOut(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' });
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
