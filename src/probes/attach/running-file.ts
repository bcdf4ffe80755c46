import type { AttachPerProcess } from './attach-per-process.ts';
import type { AttachDecision, Attachment } from './attachment.ts';
import type { Inspection } from './inspection.ts';
import type { ProcessFile } from './process-files.ts';

/** A file that processes run or have loaded, after it was read. */
export interface KnownBinary extends Inspection {
  readonly attachments: readonly Attachment[];
  /** A decision to attach, and what the kernel said. */
  readonly failures: readonly { readonly decision: AttachDecision; readonly error: string }[];
  /** A decision to attach that does not hold for a process whose own SDK runs, and what shows that. */
  readonly instrumented: readonly { readonly decision: AttachDecision; readonly detail: string }[];
  readonly pids: ReadonlySet<number>;
  /** Those of them that run a copy of the code, which has no probes. */
  readonly moved: ReadonlySet<number>;
}

/** A file that processes run or have loaded, and how far uspan has got with it. */
export class RunningFile {
  /** By the kernel's own device and inode, if they are available. */
  readonly key: string;
  readonly file: ProcessFile;
  readonly attachments: Attachment[] = [];
  readonly failures: { readonly decision: AttachDecision; readonly error: string }[] = [];
  readonly instrumented: { readonly decision: AttachDecision; readonly detail: string }[] = [];
  readonly pids = new Set<number>();
  /** The file's path as each of them sees it. */
  readonly paths = new Map<number, string>();
  readonly moved = new Set<number>();
  inspection: Inspection | undefined;
  /** If some of its attachments need links for each process. */
  perProcess: AttachPerProcess | undefined;
  /** It has been read and attached, or left alone. */
  prepared = false;
  /** A descriptor with a lease (leases.ts), while the file has one. */
  lease: number | undefined;
  /** When its last process ended, in ms of performance.now(). Of no meaning while one runs it. */
  unusedSinceMs = 0;
  /** False once it is let go: no process runs it and its probes are not kept, or no definition is for it. */
  running = true;
  /** Resolves when it has been read and attached, or left alone. Never rejects. */
  ready: Promise<void> = Promise.resolve();

  constructor(key: string, file: ProcessFile, inspection: Inspection | undefined) {
    this.key = key;
    this.file = file;
    this.inspection = inspection;
  }

  /** Undefined until it has been read, and if it is left alone. */
  known(): KnownBinary | undefined {
    if (!this.running || !this.inspection) return undefined;
    const { attachments, failures, instrumented, pids, moved } = this;
    return { ...this.inspection, attachments, failures, instrumented, pids, moved };
  }
}
