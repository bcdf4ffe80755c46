import type { BinaryFacts } from '../../contract/binary.ts';
import type { Decision, ProbeDefinition } from '../../contract/decision.ts';
import { type ErrorCode, UspanError } from '../../contract/errors.ts';
import type { Role } from '../plan.ts';

/** What a look into a file gave: its decisions, or why it could not be read. */
export interface Inspection {
  readonly path: string;
  readonly role: Role;
  readonly binary: BinaryFacts | undefined;
  readonly error: UspanError | undefined;
  readonly decisions: readonly Decision[];
  /** Whether it is linked with shared libraries, so that a process that runs it can load more. */
  readonly loadsLibraries: boolean;
}

type Attach = Extract<Decision, { do: 'attach' }>;
type Skip = Extract<Decision, { do: 'skip' }>;

/** A decision of the definition with this index. */
type PlainDecision = { readonly definition: number } & (
  | Omit<Attach, 'definition' | 'binary'>
  | Omit<Skip, 'definition' | 'binary'>
);

/** An inspection that can go from one thread to another. Definitions are functions, so it has their indexes. */
export interface PlainInspection extends Omit<Inspection, 'error' | 'decisions'> {
  readonly error:
    | {
        readonly code: ErrorCode;
        readonly message: string;
        readonly on?: string;
        readonly fix?: string;
        readonly cause?: string;
      }
    | undefined;
  readonly decisions: readonly PlainDecision[];
}

export function toPlain(inspection: Inspection, definitions: readonly ProbeDefinition[]): PlainInspection {
  const { path, role, binary, error, decisions, loadsLibraries } = inspection;
  return {
    path,
    role,
    binary: binary && factsOf(binary),
    error: error && plainError(error),
    decisions: decisions.map(({ definition, binary: _, ...rest }) => ({
      ...rest,
      definition: definitions.indexOf(definition),
    })),
    loadsLibraries,
  };
}

/** @param definitions the same, in the same order, as toPlain() had */
export function fromPlain(plain: PlainInspection, definitions: readonly ProbeDefinition[]): Inspection {
  const { binary, error } = plain;
  return {
    ...plain,
    error:
      error && new UspanError(error.code, error.message, { ...error, cause: error.cause && new Error(error.cause) }),
    decisions: plain.decisions.map((decision) => ({
      ...decision,
      definition: definitions[decision.definition]!,
      binary: binary!,
    })),
  };
}

function factsOf({ key, path, runtime, go }: BinaryFacts): BinaryFacts {
  const { version, path: packagePath, main } = go ?? {};
  return {
    key,
    path,
    runtime,
    go: version === undefined || packagePath === undefined ? undefined : { version, path: packagePath, main },
  };
}

function plainError({ code, message, on, fix, cause }: UspanError): PlainInspection['error'] {
  return {
    code,
    message,
    ...(on === undefined ? {} : { on }),
    ...(fix === undefined ? {} : { fix }),
    ...(cause instanceof Error ? { cause: cause.message } : {}),
  };
}
