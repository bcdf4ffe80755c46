import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type RawResponse, takeResponse } from './http-response.ts';

export type { RawResponse } from './http-response.ts';

export interface RawRequest {
  /** Any bytes. GET by default. */
  readonly method?: string;
  /** The request target, sent unchanged: a string as latin1, so that it can have every byte from 0x00 to 0xff. */
  readonly target?: string | Buffer;
  readonly version?: 'HTTP/1.0' | 'HTTP/1.1';
  /** Added to `Host`, which is sent unless it is named here or the version is 1.0. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sends the body in chunks of this many bytes, in place of a Content-Length. */
  readonly chunkBytes?: number;
}

/** The bytes of a request. Nothing is checked or escaped, because tests send what no proper client would. */
export function encodeRequest(request: RawRequest): Buffer {
  const { method = 'GET', target = '/', version = 'HTTP/1.1', headers = {}, body, chunkBytes } = request;
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const content = Buffer.from(body ?? '');
  if (!names.has('host') && version === 'HTTP/1.1') lines.unshift('Host: localhost');
  if (chunkBytes !== undefined) lines.push('Transfer-Encoding: chunked');
  else if (body !== undefined && !names.has('content-length')) lines.push(`Content-Length: ${content.length}`);
  return Buffer.concat([
    Buffer.from(`${method} `, 'latin1'),
    typeof target === 'string' ? Buffer.from(target, 'latin1') : target,
    Buffer.from(` ${version}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1'),
    chunkBytes === undefined ? content : encodeChunks(content, chunkBytes),
  ]);
}

function encodeChunks(content: Buffer, chunkBytes: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < content.length; at += chunkBytes) {
    const chunk = content.subarray(at, at + chunkBytes);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

export interface ConnectOptions {
  readonly host?: string;
  /** TLS without checking the certificate; HTTP/1.1 by ALPN. */
  readonly tls?: boolean;
}

/** One HTTP/1 connection. Sending again makes keep-alive. Several sends before the first read make pipelining. */
export class RawConnection {
  /** What it speaks over: the TCP socket, or TLS on top of it. */
  readonly #socket: Socket;
  readonly #tcp: Socket;
  #received = Buffer.alloc(0);
  #closed = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  private constructor(socket: Socket, tcp: Socket) {
    this.#socket = socket;
    this.#tcp = tcp;
    tcp.setNoDelay(true);
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
    // After 'end' nothing comes any more. 'close' also reports a reset.
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#closed = true;
        this.#wake();
      });
    }
  }

  static open(port: number, options: ConnectOptions = {}): Promise<RawConnection> {
    const host = options.host ?? '127.0.0.1';
    return new Promise((resolve, reject) => {
      const tcp = connect({ port, host });
      const socket = options.tls
        ? connectTls({ socket: tcp, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
        : tcp;
      tcp.once('error', reject);
      socket.once('error', reject);
      socket.once(options.tls ? 'secureConnect' : 'connect', () => {
        socket.off('error', reject);
        resolve(new RawConnection(socket, tcp));
      });
    });
  }

  /** The client's port, which the server sees as the peer's. */
  get localPort(): number {
    return this.#tcp.localPort!;
  }

  send(bytes: Buffer | string): void {
    this.#socket.write(bytes);
  }

  /** The next response. `method` is the request's, because HEAD decides about the body. Rejects if the connection ends first. */
  async receive(method = 'GET'): Promise<RawResponse> {
    for (;;) {
      const taken = takeResponse(this.#received, method, this.#closed);
      if (taken) {
        this.#received = this.#received.subarray(taken.sizeBytes);
        return taken.response;
      }
      await this.#moreOrClosed('a whole response');
    }
  }

  /** The next `count` bytes after the responses taken so far: a hijacked connection, or a part of a body before abort(). */
  async receiveBytes(count: number): Promise<Buffer> {
    while (this.#received.length < count) await this.#moreOrClosed(`${count} bytes`);
    const bytes = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return bytes;
  }

  async request(request: RawRequest): Promise<RawResponse> {
    this.send(encodeRequest(request));
    return this.receive(request.method);
  }

  /** Resets the connection, like a client that died. */
  abort(): void {
    // A reset after our own FIN, which answers the peer's FIN, fails in libuv and leaves a handle that spins.
    if (!this.#closed && !this.#tcp.writableEnded) this.#tcp.resetAndDestroy();
    this.#tcp.destroy();
    this.#socket.destroy();
  }

  /** Stops sending, and waits until the peer has also closed. */
  async close(): Promise<void> {
    this.#socket.end();
    this.#socket.resume();
    while (!this.#closed) await this.#change();
    this.#socket.destroy();
  }

  async #moreOrClosed(wanted: string): Promise<void> {
    if (this.#closed) {
      const had = JSON.stringify(this.#received.toString('latin1', 0, 200));
      throw new Error(`the connection closed before ${wanted} came; had ${had}`, { cause: this.#error });
    }
    await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** One request on a connection of its own. */
export async function requestOnce(
  port: number,
  request: RawRequest = {},
  options: ConnectOptions = {},
): Promise<RawResponse> {
  const connection = await RawConnection.open(port, options);
  try {
    return await connection.request({ ...request, headers: { Connection: 'close', ...request.headers } });
  } finally {
    connection.abort();
  }
}

/** GET of a target on a connection of its own. */
export const get = (port: number, target: string, options: ConnectOptions = {}): Promise<RawResponse> =>
  requestOnce(port, { target }, options);

/** Runs `task` `count` times at once, with its number. Gives all results in order. The first failure rejects. */
export const concurrently = <T>(count: number, task: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => task(index)));
