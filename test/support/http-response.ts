/** A response as it came over the wire. */
export interface RawResponse {
  /** e.g. "HTTP/1.1" */
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  /** In order of arrival, names as sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The first header of that name, in any case. */
  header(name: string): string | undefined;
  readonly body: Buffer;
  /** Statuses of the informational responses (100, 103) that came before. */
  readonly informational: readonly number[];
}

interface Head extends Omit<RawResponse, 'body' | 'informational'> {
  readonly sizeBytes: number;
}

/**
 * Takes one response off the front of `bytes` (RFC 9112 §6). Undefined while it is incomplete. `closed` means that no more bytes will come,
 * which ends a body without a length.
 */
export function takeResponse(
  bytes: Buffer,
  method: string,
  closed: boolean,
): { readonly response: RawResponse; readonly sizeBytes: number } | undefined {
  const informational: number[] = [];
  let at = 0;
  for (;;) {
    const head = takeHead(bytes.subarray(at));
    if (!head) return undefined;
    at += head.sizeBytes;
    if (head.status >= 100 && head.status < 200 && head.status !== 101) {
      informational.push(head.status);
      continue;
    }
    const body = takeBody(bytes.subarray(at), head, method, closed);
    if (!body) return undefined;
    const { sizeBytes: _, ...shown } = head;
    return { response: { ...shown, informational, body: body.content }, sizeBytes: at + body.sizeBytes };
  }
}

function takeHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const match = /^(HTTP\/\d\.\d) (\d{3}) ?(.*)$/.exec(statusLine);
  if (!match) throw new Error(`not a status line: ${JSON.stringify(statusLine.slice(0, 200))}`);
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
  const header = (name: string) => headers.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1];
  return { version: match[1]!, status: Number(match[2]), reason: match[3]!, headers, header, sizeBytes: end + 4 };
}

interface Body {
  readonly content: Buffer;
  readonly sizeBytes: number;
}

function takeBody(bytes: Buffer, head: Head, method: string, closed: boolean): Body | undefined {
  if (method === 'HEAD' || head.status === 101 || head.status === 204 || head.status === 304) {
    return { content: Buffer.alloc(0), sizeBytes: 0 };
  }
  if (head.header('transfer-encoding')?.toLowerCase() === 'chunked') return takeChunks(bytes);
  const length = head.header('content-length');
  if (length === undefined) return closed ? { content: Buffer.from(bytes), sizeBytes: bytes.length } : undefined;
  const sizeBytes = Number(length);
  return bytes.length < sizeBytes ? undefined : { content: Buffer.from(bytes.subarray(0, sizeBytes)), sizeBytes };
}

function takeChunks(bytes: Buffer): Body | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const sizeBytes = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(sizeBytes)) throw new Error('not a chunk size');
    const next = lineEnd + 2 + sizeBytes + 2;
    // No trailers: the Go fixtures send none.
    if (bytes.length < next) return undefined;
    if (sizeBytes === 0) return { content: Buffer.concat(chunks), sizeBytes: next };
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + sizeBytes));
    at = next;
  }
}
