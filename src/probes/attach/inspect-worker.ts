/** The thread that reads files of strangers and plans for them. It answers one request after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { type DefinitionRecipe, makeDefinitions } from '../definitions/recipe.ts';
import type { PlanOptions } from '../plan.ts';
import { inspectFile } from './inspect.ts';
import { type PlainInspection, toPlain } from './inspection.ts';
import type { ProcessFile } from './process-files.ts';

/** What the thread starts with. */
export interface InspectWorkerData extends PlanOptions {
  readonly recipe: DefinitionRecipe;
}

/** A file to read. `openPath` may lead through a descriptor of this process, which its threads share. */
export type InspectRequest = Pick<ProcessFile, 'path' | 'openPath' | 'role'>;

/** Undefined: the file cannot be opened. */
export type InspectReply = PlainInspection | undefined;

const data = workerData as InspectWorkerData;
const definitions = makeDefinitions(data.recipe);
const port = parentPort!;

port.on('message', (request: InspectRequest) => {
  const reply: InspectReply = inspectFile(request, { ...data, definitions }, (inspection) =>
    toPlain(inspection, definitions),
  );
  port.postMessage(reply);
});
