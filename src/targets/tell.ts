import type { SkipReason } from '../contract/decision.ts';
import type { Notify } from '../contract/notify.ts';
import type { RunningFile } from '../probes/attach/running-file.ts';
import { movedDetail } from '../probes/attach/runs-copy.ts';
import type { Target } from './target.ts';

/** Tells the user what became of a process's files. A program is told as attached once, and then as also attached to more files. */
export function tellAttached(
  notify: Notify,
  target: Target,
  files: readonly RunningFile[],
  { isFork, isNamed, ms }: { readonly isFork: boolean; readonly isNamed: boolean; readonly ms: number },
): void {
  const { pid } = target.facts;
  const who = whoIs(target);
  for (const { file, inspection, failures, moved } of files) {
    if (moved.has(pid)) notify('warn', 'not traced', { ...who, error: movedDetail });
    for (const { error } of failures) notify('warn', 'could not attach', { ...who, file: file.path, error });
    const error = inspection?.error;
    // A file that ended its reader is a fault of uspan, and worth a message.
    const level = error?.code === 'E_INSPECT' ? 'warn' : 'debug';
    if (error) notify(level, 'not attached', { ...who, file: file.path, code: error.code, error: error.message });
  }
  for (const file of files) {
    for (const { definition, reason, detail } of leftOut(file)) {
      notify(isNamed && !isFork ? 'info' : 'debug', 'not traced', { ...who, definition, reason, detail });
    }
  }
  const attachments = files.flatMap(({ attachments }) => attachments);
  if (attachments.length === 0) return;
  const also = target.told !== undefined;
  target.told ??= isFork ? 'debug' : 'info';
  notify(target.told, also ? 'also attached' : 'attached', {
    ...who,
    definitions: attachments.map(({ decision }) => decision.definition.name).join(', '),
    ms,
  });
}

/** Tells the user, once, that a program has ended that was told as attached. */
export function tellEnded(notify: Notify, target: Target): void {
  if (target.told) notify(target.told, 'detached', whoIs(target));
  target.told = undefined;
}

function whoIs({ facts: { pid, exe } }: Target): { readonly process: number; readonly exe: string } {
  return { process: pid, exe: exe?.path ?? '?' };
}

/** What a file has and is not traced. That it lacks a library is no news. */
function leftOut({ inspection, instrumented }: RunningFile) {
  const skips = (inspection?.decisions ?? []).filter((decision) => decision.do === 'skip');
  return [
    ...skips
      .filter(({ reason }) => reason !== 'library_absent')
      .map(({ definition, reason, detail }) => ({ definition: definition.name, reason, detail })),
    ...instrumented.map(({ decision, detail }) => ({
      definition: decision.definition.name,
      reason: 'already_instrumented' satisfies SkipReason,
      detail,
    })),
  ];
}

/** Tells that a file is left to the SDK of its processes from now on. */
export function tellLeftToSdk(notify: Notify, { file, pids }: RunningFile, detail: string): void {
  notify('info', 'no longer traced', {
    process: [...pids][0] ?? 0,
    exe: file.path,
    reason: 'already_instrumented',
    detail,
  });
}

/** Tells that a program serves, and its server's probes see none of it. */
export function tellNeverHit(
  notify: Notify,
  found: { readonly process: number; readonly exe: string; readonly definition: string; readonly port: number },
): void {
  notify('warn', 'never hit', {
    ...found,
    fix: 'its clients may speak another protocol on this port: see docs/troubleshooting.md, "It is attached, but there are no spans"',
  });
}
