import { startProcess } from '../../test/support/process.ts';
import { type CallLoad, runCallTrial } from './call-trial.ts';
import type { Column } from './contest.ts';
import type { ClientPrograms } from './programs.ts';
import type { Trial } from './trial.ts';

/** A trial of bench/go-client, with a server of its own to call. */
export async function runClientTrial(
  programs: ClientPrograms,
  column: Column,
  load: CallLoad,
  seconds: number,
): Promise<Trial> {
  const upstream = await startProcess(programs.upstream);
  try {
    const [, address] = await upstream.waitForLine(/^listening (\S+)$/);
    return await runCallTrial(programs, column, load, seconds, ['-url', `http://${address}/hello/world?from=bench`]);
  } finally {
    await upstream.stop();
  }
}
