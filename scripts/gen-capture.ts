/**
 * Runs `uspan demo` in a terminal of its own and keeps what it printed: some lines as text in README.md, and more of them in colour as
 * docs/images/demo.svg. As root, after `make build`: `node scripts/gen-capture.ts`. It needs script(1) of util-linux. Lines are as printed,
 * except that the path of the checkout is taken out.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { ansiToSvg } from './ansi-svg.ts';
import { replaceSection } from './gen-docs.ts';

const root = new URL('../', import.meta.url);
const rootPath = fileURLToPath(root);
const columns = 120;
const seconds = 20;

const printed = execFileSync(
  'script',
  ['-qec', `stty cols ${columns} rows 50; bin/uspan demo --duration ${seconds}`, '/dev/null'],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
);
const lines = printed.toString().replaceAll(rootPath, '').split('\r\n');
const texts = lines.map((line) => stripVTControlCharacters(line));

const firstOfTrace = /^\d\d:\d\d:\d\d\.\d{3} /;
const spanLines = texts.flatMap((text, index) =>
  / (server|client|internal) +[\d.]+ (µs|ms|s)\b/.test(text) ? [index] : [],
);
const summaryAt = texts.findIndex((text) => text.startsWith('spans '));
if (spanLines.length < 20 || summaryAt < 0) throw new Error(`this is no capture to show:\n${texts.join('\n')}`);

/** The first run of at most `count` lines, in whole traces, that shows the most different things. */
function window(count: number): number[] {
  const starts = spanLines.flatMap((line, at) => (firstOfTrace.test(texts[line]!) ? [at] : []));
  let best = { different: 0, indexes: [] as number[] };
  for (const from of starts) {
    for (const to of starts.filter((start) => start > from && start <= from + count)) {
      const indexes = spanLines.slice(from, to);
      if (indexes.at(-1)! - indexes[0]! !== indexes.length - 1) continue;
      const kinds = indexes.map((index) => texts[index]!.slice(12).replaceAll(/ +[\d.]+ (µs|ms|s)\b.*/g, ''));
      const different = new Set(kinds).size;
      if (different > best.different) best = { different, indexes };
    }
  }
  if (best.different === 0) throw new Error(`no ${count} lines of whole traces one after another`);
  return best.indexes;
}

const readme = new URL('README.md', root);
const excerpt = window(26).map((index) => texts[index]!);
const block = ['```', ...excerpt, '```'].join('\n');
writeFileSync(readme, replaceSection(readFileSync(readme, 'utf8'), 'capture:demo', block));

const prompt = '\x1b[1m# uspan demo\x1b[22m';
const shown = [prompt, lines[0]!, ...window(36).map((index) => lines[index]!), '', ...lines.slice(summaryAt)];
while (shown.at(-1)?.trim() === '') shown.pop();
mkdirSync(new URL('docs/images/', root), { recursive: true });
writeFileSync(new URL('docs/images/demo.svg', root), ansiToSvg(shown, 'Terminal output of uspan demo'));
