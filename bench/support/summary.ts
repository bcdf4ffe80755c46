import { type Column, columns } from './contest.ts';
import { median, readable } from './statistics.ts';
import { alignTable } from './table.ts';
import type { Trial } from './trial.ts';

/** All rounds of one load, by column. A column that could not run is absent. */
export type Trials = ReadonlyMap<Column, readonly Trial[]>;

const titles: Readonly<Record<Column, string>> = { bare: 'bare', uspan: 'uspan', sdk: 'OTel SDK' };

/** The rounds of one load as a table of medians. */
export function summarize(trials: Trials): string {
  const shown = columns.filter((column) => trials.has(column));
  const row = (name: string, cell: (rounds: readonly Trial[], column: Column) => string) => [
    name,
    ...shown.map((column) => cell(trials.get(column)!, column)),
  ];
  const mid = (rounds: readonly Trial[], pick: (trial: Trial) => number) => median(rounds.map(pick));

  return alignTable([
    ['', ...shown.map((column) => titles[column])],
    row('requests/s', (rounds) => readable(mid(rounds, (t) => t.requestsPerSecond))),
    row('latency p50, µs', (rounds) => readable(mid(rounds, (t) => t.p50Us))),
    row('latency p99, µs', (rounds) => readable(mid(rounds, (t) => t.p99Us))),
    row('app CPU, µs a request', (rounds) =>
      readable(
        mid(rounds, (t) => t.appCpuUsPerRequest),
        1,
      ),
    ),
    row('  lowest to highest round', (rounds) => {
      const all = rounds.map((t) => t.appCpuUsPerRequest);
      return `${readable(Math.min(...all), 1)}–${readable(Math.max(...all), 1)}`;
    }),
    row('app CPU added, µs a request', (_, column) => added(trials, column)),
    row('  by the lowest rounds', (_, column) => addedToLowest(trials, column)),
    row('app CPU, times bare', (rounds, column) => timesBare(trials, rounds, column)),
    row('agent CPU, µs a span', (rounds) => agentCell(rounds, (t) => readable(t.agent!.cpuUsPerSpan, 1))),
    row('agent RSS, MiB (now / peak)', (rounds) =>
      agentCell(rounds, ({ agent }) => `${readable(agent!.memory.nowMiB)} / ${readable(agent!.memory.peakMiB)}`),
    ),
    row('requests handled, all rounds', (rounds) => readable(total(rounds, (t) => t.handled))),
    row('spans sent, by the agent’s count', (rounds) =>
      rounds[0]?.agent ? readable(total(rounds, (t) => t.agent!.report.exported)) : '–',
    ),
    row('spans received', (rounds) =>
      rounds[0]?.spansReceived === undefined ? '–' : readable(total(rounds, (t) => t.spansReceived!)),
    ),
    row('spans of requests', (rounds) =>
      rounds[0]?.spansReceived === undefined
        ? '–'
        : `${readable((100 * total(rounds, (t) => t.spansReceived!)) / total(rounds, (t) => t.handled), 2)} %`,
    ),
    row('lost, by the agent’s count', (rounds) =>
      rounds[0]?.agent ? readable(total(rounds, (t) => t.agent!.report.lost)) : '–',
    ),
  ]);
}

const total = (rounds: readonly Trial[], pick: (trial: Trial) => number) =>
  rounds.reduce((sum, trial) => sum + pick(trial), 0);

/** A cell of the median round by agent CPU, so that the numbers of one cell belong together. */
function agentCell(rounds: readonly Trial[], show: (trial: Trial) => string): string {
  const sorted = rounds.filter((t) => t.agent).sort((a, b) => a.agent!.cpuUsPerSpan - b.agent!.cpuUsPerSpan);
  const middle = sorted[Math.floor(sorted.length / 2)];
  return middle ? show(middle) : '–';
}

/** The median of the differences round by round, so that drift during the run cancels out. */
function added(trials: Trials, column: Column): string {
  const bare = trials.get('bare')!;
  if (column === 'bare') return '–';
  const differences = trials.get(column)!.map((t, i) => t.appCpuUsPerRequest - bare[i]!.appCpuUsPerRequest);
  return signed(median(differences));
}

/** The difference between the least disturbed rounds. On a busy machine, other work only ever adds. */
function addedToLowest(trials: Trials, column: Column): string {
  if (column === 'bare') return '–';
  const lowest = (each: Column) => Math.min(...trials.get(each)!.map((t) => t.appCpuUsPerRequest));
  return signed(lowest(column) - lowest('bare'));
}

const signed = (value: number) => `${value < 0 ? '−' : '+'}${readable(Math.abs(value), 1)}`;

function timesBare(trials: Trials, rounds: readonly Trial[], column: Column): string {
  if (column === 'bare') return '–';
  const cpu = (all: readonly Trial[]) => median(all.map((t) => t.appCpuUsPerRequest));
  return `×${readable(cpu(rounds) / cpu(trials.get('bare')!), 2)}`;
}
