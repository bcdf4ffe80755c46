import type { ClientRequest, IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { OtlpSettings } from '../contract/export-settings.ts';
import type { ExportRequest } from './export-request.ts';
import { rejectedSpans, retryAfterMs, statusMessage } from './export-response.ts';
import type { OtlpTransport, SendResult, TlsFiles } from './otlp-transport.ts';
import { printable } from './printable.ts';

const gzipped = promisify(gzip);

/** Bytes of an answer that are read. OTLP's answers have some bytes, an error page some thousands. */
const maxAnswerBytes = 65_536;
/** OTLP specification, "OTLP/HTTP Response": retryable response codes. */
const retryableStatuses = new Set([429, 502, 503, 504]);
/** Errors of a connection that do not mean that the request is wrong: the collector, or a network on the way, is away. */
const retryableErrors = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ENOTFOUND'],
  ...['ENETUNREACH', 'ENETDOWN', 'EHOSTUNREACH', 'EHOSTDOWN', 'EADDRNOTAVAIL'],
]);

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
    const giveUp = () => sent.destroy(timedOut(timeoutMs));
    let timer: NodeJS.Timeout | undefined;
    // A large request may take its time over a slow line, as long as it makes progress. Then the answer has to come.
    sent.setTimeout(timeoutMs, giveUp);
    sent.on('finish', () => {
      timer = setTimeout(giveUp, timeoutMs);
    });
    sent.on('response', (answer) => {
      readAnswer(answer).then(resolve, (error: Error) => resolve(failed(error)));
    });
    sent.on('error', (error) => resolve(failed(error)));
    sent.on('close', () => clearTimeout(timer));
    sent.end(body);
    return promise.then((result) => (closedWhileIdle(sent, result) ? post(body) : result));
  };

  return {
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
function closedWhileIdle(sent: ClientRequest, result: SendResult): boolean {
  return result.outcome === 'failed' && sent.reusedSocket && codeOf(result.error) === 'ECONNRESET';
}

async function readAnswer(answer: IncomingMessage): Promise<SendResult> {
  const status = answer.statusCode ?? 0;
  const taken = status >= 200 && status < 300;
  const body = await readBody(answer).catch((error) => {
    // The spans have arrived, whatever became of the rest of the answer.
    if (taken) return new Uint8Array(0);
    throw error;
  });
  if (taken) return { outcome: 'sent', rejected: rejectedSpans(body) };
  const isStatus = answer.headers['content-type'] === 'application/x-protobuf';
  const said = isStatus ? statusMessage(body) : (answer.statusMessage ?? '');
  const error = new Error(`HTTP ${status}${said && `: ${printable(said)}`}`);
  if (!retryableStatuses.has(status)) return { outcome: 'failed', retry: false, error };
  return {
    outcome: 'failed',
    retry: true,
    retryAfterMs: retryAfterMs(answer.headers['retry-after'], Date.now()),
    error,
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
  return code !== undefined && retryableErrors.has(code)
    ? { outcome: 'failed', retry: true, retryAfterMs: undefined, error }
    : { outcome: 'failed', retry: false, error };
}

function timedOut(afterMs: number): Error {
  return Object.assign(new Error(`no answer within ${afterMs} ms`), { code: 'ETIMEDOUT' });
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
