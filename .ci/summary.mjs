// summary.mjs DIR NAME…: adds up the vitest JSON reports DIR/NAME.json. Prints what failed, which kernel tests were skipped and,
// last, the totals. Exits 1 for a failure, a report that is missing or empty, or a skipped kernel test.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const [directory, ...names] = process.argv.slice(2);
const needsKernel = /^test\/(kernel|e2e|bpf|contract|matrix)\//;
const total = { passed: 0, failed: 0, skipped: 0 };
let good = true;

for (const name of names) {
  const files = readReport(name);
  if (files.length === 0) {
    console.log(`${name}: no test ran`);
    total.failed += 1;
  }
  for (const file of files) addFile(name, file);
}
good &&= total.failed === 0;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = good ? 0 : 1;

function readReport(name) {
  try {
    return JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')).testResults;
  } catch {
    return [];
  }
}

function addFile(report, file) {
  const path = relative(process.cwd(), file.name);
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const test of file.assertionResults) {
    const kind = test.status === 'passed' || test.status === 'failed' ? test.status : 'skipped';
    count[kind] += 1;
    if (kind === 'failed') console.log(`${report}: FAILED ${path}: ${test.fullName}`);
    if (kind === 'skipped' && needsKernel.test(path)) {
      console.log(`${report}: SKIPPED ${path}: ${test.fullName}`);
      good = false;
    }
  }
  // A file that does not load, or whose hooks fail, has no failed test to show for it.
  if (file.status === 'failed' && count.failed === 0) {
    count.failed = 1;
    console.log(`${report}: FAILED ${path}: ${file.message}`);
  }
  for (const kind of Object.keys(total)) total[kind] += count[kind];
}
