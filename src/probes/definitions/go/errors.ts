/** Go errors that say why a call failed, for `error.type`. */
import type { GoTypes } from '../../../contract/binary.ts';
import { Constant, GoError, GoErrorReads } from '../../layout.gen.ts';

interface KnownError {
  /** As in Go's `%T`, but with the whole package path. */
  readonly type: string;
  /** `error.type`; none: see what it wraps, its number or its text. */
  readonly errorType?: string;
  /** The field with the error it wraps, which says more where it is known too. */
  readonly inner?: string;
  readonly reads?: number;
}

/** The place in this list is what the kernel tells: it goes for every version of Go, whatever of it a binary has. */
const known: readonly KnownError[] = [
  { type: '*net.OpError', errorType: '*net.OpError', inner: 'Err' },
  { type: '*os.SyscallError', inner: 'Err' },
  { type: 'syscall.Errno', reads: GoErrorReads.ERRNO },
  { type: '*net.DNSError', errorType: '*net.DNSError' },
  { type: '*errors.errorString', reads: GoErrorReads.TEXT },
  { type: 'context.deadlineExceededError', errorType: 'timeout' },
  { type: '*internal/poll.DeadlineExceededError', errorType: 'timeout' },
  { type: '*net.timeoutError', errorType: 'timeout' },
  { type: '*net/http.timeoutError', errorType: 'timeout' },
  { type: '*net/http.httpError', errorType: 'timeout' },
  { type: 'net/http.tlsHandshakeTimeoutError', errorType: 'timeout' },
  { type: '*net.canceledError', errorType: 'canceled' },
  { type: 'net.canceledError', errorType: 'canceled' },
  { type: 'net/http.transportReadFromServerError', inner: 'err' },
  { type: 'net/http.nothingWrittenError', inner: 'error' },
  { type: '*fmt.wrapError', inner: 'err' },
  { type: '*crypto/tls.CertificateVerificationError', errorType: '*tls.CertificateVerificationError' },
  { type: 'crypto/tls.RecordHeaderError', errorType: 'tls.RecordHeaderError' },
  { type: 'crypto/x509.UnknownAuthorityError', errorType: 'x509.UnknownAuthorityError' },
  { type: 'crypto/x509.HostnameError', errorType: 'x509.HostnameError' },
  { type: 'crypto/x509.CertificateInvalidError', errorType: 'x509.CertificateInvalidError' },
  { type: 'net/http.http2StreamError', errorType: 'http2.StreamError' },
  { type: 'net/http.http2GoAwayError', errorType: 'http2.GoAwayError' },
  { type: 'net/http/internal/http2.StreamError', errorType: 'http2.StreamError' },
  { type: 'net/http/internal/http2.GoAwayError', errorType: 'http2.GoAwayError' },
  { type: 'net/http.http2noCachedConnError', reads: GoErrorReads.SKIP },
  { type: 'net/http/internal/http2.noCachedConnError', reads: GoErrorReads.SKIP },
];

/** What errors.New() errors of the standard library say; another text may hold anything, and is not told. */
const texts: Readonly<Record<string, string>> = {
  'context canceled': 'canceled',
  'net/http: request canceled': 'canceled',
  'net/http: request canceled while waiting for connection': 'canceled',
  'operation was canceled': 'canceled',
  'i/o timeout': 'timeout',
  EOF: 'EOF',
  'unexpected EOF': 'EOF',
  'http: server closed idle connection': 'EOF',
  'use of closed network connection': 'net.ErrClosed',
};

/** Names of `E…` numbers on Linux (asm-generic/errno*.h), those of sockets. */
const errnoNames: Readonly<Record<number, string>> = {
  1: 'EPERM',
  11: 'EAGAIN',
  13: 'EACCES',
  22: 'EINVAL',
  24: 'EMFILE',
  32: 'EPIPE',
  99: 'EADDRNOTAVAIL',
  101: 'ENETUNREACH',
  103: 'ECONNABORTED',
  104: 'ECONNRESET',
  110: 'ETIMEDOUT',
  111: 'ECONNREFUSED',
  113: 'EHOSTUNREACH',
};

/** An array of `struct uspan_go_error`. */
export function goErrors(types: GoTypes): Uint8Array {
  const view = new DataView(new ArrayBuffer(known.length * GoError.size));
  known.forEach(({ type, inner, reads }, index) => {
    const at = index * GoError.size;
    const struct = type.startsWith('*') ? type.slice(1) : type;
    const offset = inner === undefined ? undefined : types.field(struct, inner)?.flatOffset;
    view.setUint32(at + GoError.typeHash, types.hash(type) ?? 0, true);
    view.setUint16(at + GoError.inner, offset ?? Constant.FIELD_ABSENT, true);
    view.setUint16(at + GoError.reads, reads ?? GoErrorReads.NOTHING, true);
  });
  return new Uint8Array(view.buffer);
}

/** `error.type` of what the kernel told: an index + 1, the number of a failed system call, the text of an error that is no more than that. */
export function goErrorType(error: number, errno: number, text: string): string {
  const found = known[error - 1];
  if (found?.reads === GoErrorReads.ERRNO) return errnoNames[errno] ?? `errno ${errno}`;
  if (found?.reads === GoErrorReads.TEXT) return texts[text] ?? '_OTHER';
  return found?.errorType ?? '_OTHER';
}
