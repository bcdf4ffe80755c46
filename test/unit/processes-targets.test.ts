import { describe, expect, test } from 'vitest';
import type { ProcessFacts } from '../../src/discovery/processes/process-facts.ts';
import { selectTargets, type TargetRules, TargetSelector } from '../../src/discovery/processes/select-targets.ts';

const none: TargetRules = { pids: [], exeGlobs: [], ports: [], excludeExeGlobs: [] };
const self = 100;

function process(pid: number, path: string | undefined, ino: bigint, ppid = 1): ProcessFacts {
  const exe = path === undefined ? undefined : { path, deleted: false, dev: 1n, ino };
  return { pid, ppid, comm: 'x', startBootNs: 0n, uid: 0, exe, argv: [] };
}

const processes = [
  process(10, '/usr/local/bin/shop', 10n),
  process(11, '/srv/shop/bin/shop-api', 11n),
  process(12, '/opt/deep/er/api', 12n),
  process(13, undefined, 0n),
  process(50, '/usr/bin/node', 7n, 101), // a grandchild with a smaller pid
  process(self, '/usr/bin/node', 7n),
  process(101, '/usr/bin/node', 7n, self),
  process(102, '/usr/bin/demo', 13n, self),
  process(103, '/usr/bin/node', 7n),
];
const ports = new Map([
  [11, [8080, 8081]],
  [103, [3000]],
  [self, [3000]],
]);

const chosen = (rules: Partial<TargetRules>) =>
  selectTargets(processes, { ...none, ...rules }, self, (pid) => ports.get(pid) ?? []).map((facts) => facts.pid);

describe('selectTargets', () => {
  test.each<[string, Partial<TargetRules>, number[]]>([
    ['no rule: all but itself and its workers', {}, [10, 11, 12, 13, 102, 103]],
    ['pids', { pids: [12, 10] }, [10, 12]],
    ['a pid that is not there', { pids: [9999] }, []],
    ['its own pid is never taken', { pids: [self, 101, 50] }, []],
    ['a name', { exeGlobs: ['shop'] }, [10]],
    ['a name with a star', { exeGlobs: ['shop*'] }, [10, 11]],
    ['any directory', { exeGlobs: ['*/shop'] }, [10]],
    ['below a directory', { exeGlobs: ['/opt/*'] }, [12]],
    ['alternatives', { exeGlobs: ['{shop,api}'] }, [10, 12]],
    ['an exclamation mark does not negate', { exeGlobs: ['!shop'] }, []],
    ['ports', { ports: [8081, 3000] }, [11, 103]],
    ['any rule is enough', { pids: [12], exeGlobs: ['shop'], ports: [3000] }, [10, 12, 103]],
    ['exclude alone', { excludeExeGlobs: ['node', '/srv/*'] }, [10, 12, 13, 102]],
    ['exclude goes before the others', { pids: [10, 12], excludeExeGlobs: ['*/shop'] }, [12]],
  ])('%s', (_, rules, pids) => {
    expect(chosen(rules)).toEqual(pids);
  });

  test('no table of sockets is read without a rule for ports', () => {
    const fail = () => {
      throw new Error('asked');
    };
    expect(selectTargets(processes, { ...none, pids: [10] }, self, fail)).toHaveLength(1);
  });

  test('a pid whose process has ended selects nobody else', () => {
    const selector = new TargetSelector({ ...none, pids: [10] });
    expect(selector.select(processes, self)).toHaveLength(1);
    selector.ended(10);
    expect(selector.select(processes, self)).toEqual([]);
  });

  test.each<[string, Partial<TargetRules>, boolean]>([
    ['no rule', {}, true],
    ['no rule but an exclusion', { excludeExeGlobs: ['shop'] }, false],
    ['its name', { exeGlobs: ['shop'] }, true],
    ['another name', { exeGlobs: ['cart'] }, false],
    ['a pid or a port alone', { pids: [10], ports: [80] }, false],
  ])('names all processes of a program: %s', (_, rules, named) => {
    expect(new TargetSelector({ ...none, ...rules }).names('/usr/local/bin/shop')).toBe(named);
  });
});
