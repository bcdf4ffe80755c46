import type { Notify } from '../contract/notify.ts';
import type { ProcessFacts } from '../discovery/processes/process-facts.ts';
import type { RunningFile } from '../probes/attach/running-file.ts';
import { movedDetail } from '../probes/attach/runs-copy.ts';

/** Tells the user what became of a process's files. */
export function tellAttached(
  notify: Notify,
  { pid, exe }: ProcessFacts,
  files: readonly RunningFile[],
  { isFork, ms }: { readonly isFork: boolean; readonly ms: number },
): void {
  const who = { process: pid, exe: exe?.path ?? '?' };
  for (const { file, inspection, failures, moved } of files) {
    if (moved.has(pid)) notify('warn', 'not traced', { ...who, error: movedDetail });
    for (const { error } of failures) notify('warn', 'could not attach', { ...who, file: file.path, error });
    const error = inspection?.error;
    // A file that ended its reader is a fault of uspan, and worth a message.
    const level = error?.code === 'E_INSPECT' ? 'warn' : 'debug';
    if (error) notify(level, 'not attached', { ...who, file: file.path, code: error.code, error: error.message });
  }
  const attachments = files.flatMap(({ attachments }) => attachments);
  if (attachments.length === 0) return;
  notify(isFork ? 'debug' : 'info', 'attached', {
    ...who,
    definitions: attachments.map(({ decision }) => decision.definition.name).join(', '),
    ms,
  });
}
