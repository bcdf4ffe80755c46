/**
 * `error.type` of Go errors, one vocabulary for all libraries. If uspan knows the error, it is the name that a reader of the span knows it
 * by (the name of the errno, `timeout`, `canceled`, `EOF`, `sql.ErrTxDone`), no matter what wraps it. Otherwise it is the error's type as Go's `%T` prints it, which
 * OpenTelemetry's own Go instrumentation uses (go.opentelemetry.io/otel/semconv, ErrorType). It is never the message, which can hold
 * anything.
 */
import type { GoTypes } from '../../../contract/binary.ts';
import type { SpanRecord } from '../../../probes/span-record.ts';
import { Constant, GoErrorField as Field, GoError, GoErrorReads, GoErrorWrapper } from '../../layout.gen.ts';

interface KnownError {
  /** As in Go's `%T`, but with the whole package path. */
  readonly type: string;
  /** `error.type`. None: see what it wraps, its number or its text. */
  readonly errorType?: string;
  /** The field with the error that it wraps, which says more if it is known too. */
  readonly inner?: string;
  readonly reads?: number;
  /** The field that is read. None: the value itself. */
  readonly field?: string;
}

const { STATUS, INT, U16 } = GoErrorReads;

/** The kernel sends the position in this list. So it must suit every version of Go, no matter which of these types a binary has. */
const known: readonly KnownError[] = [
  { type: '*net.OpError', errorType: '*net.OpError', inner: 'Err' },
  { type: '*os.SyscallError', inner: 'Err' },
  { type: 'syscall.Errno', reads: GoErrorReads.ERRNO },
  { type: '*net.DNSError', errorType: '*net.DNSError' },
  { type: '*errors.errorString', errorType: '*errors.errorString', reads: GoErrorReads.TEXT },
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
  { type: '*github.com/jackc/pgx/v5/pgconn.errTimeout', errorType: 'timeout' },
  { type: '*github.com/jackc/pgconn.errTimeout', errorType: 'timeout' },
  // What databases answer: SQLSTATE, or a number of their own.
  { type: '*github.com/lib/pq.Error', errorType: '*pq.Error', reads: STATUS, field: 'Code' },
  { type: '*github.com/jackc/pgx/v5/pgconn.PgError', errorType: '*pgconn.PgError', reads: STATUS, field: 'Code' },
  { type: '*github.com/jackc/pgconn.PgError', errorType: '*pgconn.PgError', reads: STATUS, field: 'Code' },
  { type: '*github.com/go-sql-driver/mysql.MySQLError', errorType: '*mysql.MySQLError', reads: U16, field: 'Number' },
  { type: '*modernc.org/sqlite.Error', errorType: '*sqlite.Error', reads: INT, field: 'code' },
  { type: 'github.com/mattn/go-sqlite3.Error', errorType: 'sqlite3.Error', reads: INT, field: 'ExtendedCode' },
];

/** Texts of errors.New() errors of the standard library. Another text may hold anything, and is never exported. */
const messages: ReadonlyMap<string, string> = new Map([
  ['context canceled', 'canceled'],
  ['net/http: request canceled', 'canceled'],
  ['net/http: request canceled while waiting for connection', 'canceled'],
  ['operation was canceled', 'canceled'],
  ['i/o timeout', 'timeout'],
  ['EOF', 'EOF'],
  ['unexpected EOF', 'EOF'],
  ['http: server closed idle connection', 'EOF'],
  ['use of closed network connection', 'net.ErrClosed'],
  ['driver: bad connection', 'driver.ErrBadConn'],
  ['sql: database is closed', 'sql.ErrClosed'],
  ['sql: connection is already closed', 'sql.ErrConnDone'],
  ['sql: transaction has already been committed or rolled back', 'sql.ErrTxDone'],
  ['sql: statement is closed', 'sql.ErrStmtClosed'],
]);

/** Names of `E…` numbers on Linux (asm-generic/errno*.h) that sockets give. */
const errnoNames: ReadonlyMap<number, string> = new Map([
  [1, 'EPERM'],
  [11, 'EAGAIN'],
  [13, 'EACCES'],
  [22, 'EINVAL'],
  [24, 'EMFILE'],
  [32, 'EPIPE'],
  [99, 'EADDRNOTAVAIL'],
  [101, 'ENETUNREACH'],
  [103, 'ECONNABORTED'],
  [104, 'ECONNRESET'],
  [110, 'ETIMEDOUT'],
  [111, 'ECONNREFUSED'],
  [113, 'EHOSTUNREACH'],
]);

if (known.length > Constant.GO_ERRORS) throw new RangeError(`more than ${Constant.GO_ERRORS} types of Go errors`);

/** An array of `struct uspan_go_error`. */
export function goErrors(types: GoTypes): Uint8Array {
  const view = new DataView(new ArrayBuffer(known.length * GoError.size));
  known.forEach(({ type, inner, reads, field }, index) => {
    const at = index * GoError.size;
    const struct = type.startsWith('*') ? type.slice(1) : type;
    const offsetOf = (name: string | undefined) =>
      name === undefined ? undefined : types.field(struct, name)?.flatOffset;
    const read = offsetOf(field);
    // If the field is not found, the program reads nothing.
    const found = field === undefined || read !== undefined;
    view.setUint32(at + GoError.typeHash, types.hash(type) ?? 0, true);
    view.setUint16(at + GoError.inner, offsetOf(inner) ?? Constant.FIELD_ABSENT, true);
    view.setUint16(at + GoError.reads, (found ? reads : undefined) ?? GoErrorReads.NOTHING, true);
    view.setUint16(at + GoError.at, read ?? 0, true);
  });
  return new Uint8Array(view.buffer);
}

/** An array of `struct uspan_go_error_wrapper`, and how many types have no room in it. Known types are not in it. */
export function goErrorWrappers(types: GoTypes): { bytes: Uint8Array; count: number; leftOut: number } {
  const knownHashes = new Set(known.map(({ type }) => types.hash(type)));
  const all = types
    .errorWrappers()
    .flatMap(({ hashes, inner }) => hashes.map((hash) => ({ hash, inner })))
    .filter(({ hash }) => !knownHashes.has(hash));
  const wrappers = all.slice(0, Constant.GO_ERROR_WRAPPERS);
  const view = new DataView(new ArrayBuffer(wrappers.length * GoErrorWrapper.size));
  wrappers.forEach(({ hash, inner }, index) => {
    view.setUint32(index * GoErrorWrapper.size + GoErrorWrapper.typeHash, hash, true);
    view.setUint16(index * GoErrorWrapper.size + GoErrorWrapper.inner, inner, true);
  });
  return { bytes: new Uint8Array(view.buffer), count: wrappers.length, leftOut: all.length - wrappers.length };
}

/** Whether the span of a record failed with a Go error. */
export function hasGoError(record: SpanRecord): boolean {
  return record.has(Field.KNOWN);
}

/** `error.type` of a record that has a Go error. */
export function goErrorType(record: SpanRecord): string {
  const error = known[record.number(Field.KNOWN) - 1];
  if (error?.reads === GoErrorReads.ERRNO) {
    const number = record.number(Field.ERRNO);
    return errnoNames.get(number) ?? `errno ${number}`;
  }
  const isText = error?.reads === GoErrorReads.TEXT;
  const message = isText ? messages.get(latin1(record, Field.MESSAGE)) : undefined;
  if (message !== undefined) return message;
  const named = latin1(record, Field.TYPE);
  // A type of the program's own says more than that there is a text inside.
  return (isText && named !== '' ? named : error?.errorType) ?? (named || '_OTHER');
}

/** What a database answered: SQLSTATE, or its number. Empty: it did not answer. */
export function goErrorStatus(record: SpanRecord): string {
  const number = record.number(Field.STATUS_NUMBER);
  return number === 0 ? latin1(record, Field.STATUS) : String(number);
}

function latin1(record: SpanRecord, field: number): string {
  const at = record.at(field);
  return Buffer.from(record.slab.bytes.subarray(at, at + record.length(field))).toString('latin1');
}
