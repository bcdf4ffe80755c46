import { type ErrorCode, errorCode } from '../contract/errors.ts';

/** Exit codes of uspan. docs/errors.md explains each, which a test checks. A failure never gives 0. */
export const exitCodes = {
  ok: 0,
  /** Anything without a more specific status, including a bug. */
  failure: 1,
  usage: 2,
  /** No process matches the rules, or uspan can trace nothing in those that do. */
  noTarget: 3,
  /** A capability or a kernel feature is missing, or the kernel refused a program. */
  kernel: 4,
  /** The run ended in good order, but spans did not get out: stages `export` and `output` of `uspan.lost`. */
  lost: 5,
  /** 128 + signal number, as shells report it: a second SIGINT or SIGTERM cut the draining short. */
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const byError: Partial<Record<ErrorCode, ExitCode>> = {
  E_USAGE: exitCodes.usage,
  E_CONFIG: exitCodes.usage,
  E_NO_TARGET: exitCodes.noTarget,
  E_PROCESS_GONE: exitCodes.noTarget,
  E_CAPABILITY: exitCodes.kernel,
  E_KERNEL_FEATURE: exitCodes.kernel,
  E_BTF: exitCodes.kernel,
  E_BPF_LOAD: exitCodes.kernel,
};

/** The exit code for an error that ends the program. */
export function exitCodeOf(error: unknown): ExitCode {
  const code = errorCode(error);
  return (code && byError[code]) ?? exitCodes.failure;
}
