/** Every error that a user can meet. A code never changes its meaning. docs/errors.md explains each, which a test checks. */
export const errorCodes = [
  // reading files
  'E_ELF_FORMAT', // not an ELF file, truncated, or a header field is out of range
  'E_ELF_UNSUPPORTED', // 32-bit, big endian or an unknown machine
  'E_GO_PCLNTAB', // no usable Go function table
  'E_GO_MODULEDATA', // no usable Go module data
  'E_GO_TYPES', // Go type descriptors unreadable
  'E_FILE_READ', // the file could not be opened or mapped
  'E_FILE_CHANGED', // the file shrank or was rewritten while it was read
  'E_INSPECT', // the thread that reads files ended at this file, or took too long
  // processes
  'E_PROCESS_GONE', // the process ended while it was looked at
  'E_NO_TARGET', // nothing matches the rules
  'E_SECOND_AGENT', // another agent traces the same processes
  // kernel
  'E_CAPABILITY', // a capability is missing
  'E_KERNEL_FEATURE', // the kernel lacks something needed
  'E_BPF_OPEN', // a BPF object could not be opened
  'E_BPF_LOAD', // the verifier or the kernel refused a BPF object
  'E_BPF_MAP', // a BPF map operation failed
  'E_ATTACH', // uspan could not attach a probe
  'E_SEMAPHORE', // the kernel would count a USDT semaphore in the wrong place
  'E_NATIVE', // the native addon is missing or does not match
  'E_BTF', // kernel BTF is missing
  // export
  'E_EXPORT', // the collector refused spans or could not be reached
  // use
  'E_USAGE', // a flag or an environment variable is wrong
  'E_CONFIG', // the settings file is wrong
  'E_REPORT', // the report file could not be written
  'E_OUTPUT', // stdout could not be written
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** An error says what was tried (`message`), on what (`on`) and what to do (`fix`). */
export class UspanError extends Error {
  override readonly name = 'UspanError';
  readonly code: ErrorCode;
  readonly on: string | undefined;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, message: string, more: { on?: string; fix?: string; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.on = more.on;
    this.fix = more.fix;
  }
}

const known: ReadonlySet<unknown> = new Set(errorCodes);

/** The code of an error if it is one of ours: a UspanError, or what the native addon throws (native/native.d.ts). */
export function errorCode(error: unknown): ErrorCode | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return known.has(code) ? (code as ErrorCode) : undefined;
}

/** The last lines of the verifier's log, if the addon has one. */
function verifierTail(error: unknown): string[] {
  if (!(error instanceof Error && 'verifierLog' in error && typeof error.verifierLog === 'string')) return [];
  const log = error.verifierLog.trimEnd();
  return log ? log.split('\n').slice(-12) : [];
}

/** One line: `E_CODE: what (on …): fix`. A refused program adds the end of the verifier's log. */
export function describeError(error: unknown): string {
  return errorLines(error).join('\n');
}

/** The lines of describeError(). A name or path may have line ends of its own, which terminalLine() escapes. */
export function errorLines(error: unknown): string[] {
  return [firstLine(error), ...verifierTail(error)];
}

function firstLine(error: unknown): string {
  if (error instanceof UspanError) {
    const on = error.on ? ` (${error.on})` : '';
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    const fix = error.fix ? `. ${error.fix}` : '';
    return `${error.code}: ${error.message}${on}${cause}${fix}`;
  }
  if (!(error instanceof Error)) return String(error);
  return `${errorCode(error) ?? error.name}: ${error.message}`;
}
