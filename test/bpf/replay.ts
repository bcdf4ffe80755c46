/** Replays what a Node.js program did on one connection through bpf/node, which is built for this host: see host/replay.c. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Counter } from '../../src/probes/layout.gen.ts';

/** An event of a connection. Pieces are latin1 texts. */
export type Happened =
  | { readonly wrote: readonly string[] }
  | { readonly read: string }
  | { readonly failed: number }
  | { readonly pausedMs: number }
  | 'connected'
  | 'closed';

export interface ReplayedSpan {
  /** `enum uspan_event_kind`. */
  readonly kind: number;
  /** `enum uspan_span_flag`. */
  readonly flags: number;
  /** By the number of a field: latin1. */
  readonly fields: Readonly<Record<number, string>>;
  /** The same: `enum uspan_field_mark`. */
  readonly marks: Readonly<Record<number, number>>;
}

export interface Replayed {
  readonly spans: readonly ReplayedSpan[];
  /** What was counted at all, by its name in `enum uspan_counter`, without NODE_REQUESTS that became spans. */
  readonly counters: Readonly<Record<string, number>>;
  /** Entries that are left of open spans. */
  readonly entries: number;
}

export interface ReplayOptions {
  /** How often the reads are cut anew, and then the writes. Default: 0. */
  readonly cuts?: number;
  readonly seed?: number;
  /** How many spans can be open at the same time. */
  readonly budget?: number;
}

export interface Replayer {
  /** @throws Error when a cut changes what comes out. */
  replay(what: readonly Happened[] | { readonly recording: string }, options?: ReplayOptions): Replayed;
  close(): void;
}

export function openReplayer(): Replayer {
  const directory = mkdtempSync(join(tmpdir(), 'uspan-replay-'));
  const program = join(directory, 'replay');
  execFileSync(join(import.meta.dirname, 'host', 'build.sh'), [program], { stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    replay(what, { cuts = 0, seed = 1, budget } = {}) {
      let path = join(directory, 'recording');
      if ('recording' in what) path = what.recording;
      else writeFileSync(path, `${what.map(line).join('\n')}\n`);
      const values = [path, seed, cuts, ...(budget === undefined ? [] : [budget])].map(String);
      const { status, stdout, stderr } = spawnSync(program, values, { encoding: 'latin1', maxBuffer: 1 << 28 });
      if (status !== 0) throw new Error(`replay ended with ${status}: ${stderr.slice(0, 20_000)}`);
      return parse(stdout);
    },
    close() {
      rmSync(directory, { recursive: true });
    },
  };
}

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex');

function line(what: Happened): string {
  if (what === 'connected') return 'O';
  if (what === 'closed') return 'C';
  if ('wrote' in what) return `W ${what.wrote.map(hex).join(' ')}`;
  if ('read' in what) return `R ${hex(what.read)}`;
  return 'failed' in what ? `E ${what.failed}` : `P ${what.pausedMs}`;
}

const counterNames = new Map(Object.entries(Counter).map(([name, number]) => [number as number, name]));

function parse(output: string): Replayed {
  const spans: ReplayedSpan[] = [];
  const counters: Record<string, number> = {};
  let entries = 0;
  for (const row of output.trimEnd().split('\n')) {
    const [what, first, second, ...rest] = row.split(' ');
    if (what === 'entries') entries = Number(first);
    else if (what === 'counter') counters[counterNames.get(Number(first))!] = Number(second);
    else spans.push({ kind: Number(first), flags: Number(second), ...fieldsOf(rest) });
  }
  const { NODE_REQUESTS: requests = 0, ...others } = counters;
  if (requests !== spans.length) others.NODE_REQUESTS = requests;
  return { spans, counters: others, entries };
}

/** `NUMBER=HEX` or `NUMBER!MARKS=HEX`. */
function fieldsOf(words: readonly string[]): Pick<ReplayedSpan, 'fields' | 'marks'> {
  const fields: Record<number, string> = {};
  const marks: Record<number, number> = {};
  for (const word of words) {
    const [, number, mark, bytes] = /^(\d+)(?:!(\d+))?=([0-9a-f]*)$/.exec(word)!;
    fields[Number(number)] = Buffer.from(bytes!, 'hex').toString('latin1');
    if (mark !== undefined) marks[Number(number)] = Number(mark);
  }
  return { fields, marks };
}
