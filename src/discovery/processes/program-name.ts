import { basename, dirname } from 'node:path';
import type { GoFacts } from '../../contract/binary.ts';
import type { ProcessFacts } from './process-facts.ts';

/** Script names that say nothing. The directory's name stands for the program. */
const anyName = /^(index|main|app|server|start|run|cli|__main__|manage)$/;
const anyDirectory = /^(src|dist|build|lib|bin|out|\.)?$/;

/** Options of node and python whose value is the next argument. */
const takesValue = /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|-W|-X)$/;

/**
 * What to call a program without a configured name: the package of a Go program, the script of a Node.js or Python one, otherwise the
 * executable. Undefined only if even that is unreadable and the kernel has no name for it.
 */
export function programName(facts: ProcessFacts, go?: Pick<GoFacts, 'path'>): string | undefined {
  const exe = facts.exe && basename(facts.exe.path);
  return (go && goName(go.path)) || (exe && scriptName(exe, facts.argv ?? [])) || exe || facts.comm || undefined;
}

/** `example.com/shop/cmd/api` → `api`, `example.com/shop/v2` → `shop`. */
function goName(packagePath: string): string | undefined {
  // What `go build FILE.go` and `go run FILE.go` call the package.
  if (packagePath === 'command-line-arguments') return undefined;
  return packagePath
    .replace(/\/v[0-9]+$/, '')
    .split('/')
    .at(-1);
}

function scriptName(exe: string, argv: readonly string[]): string | undefined {
  const python = /^(python|pypy)[0-9.]*$/.test(exe);
  if (!python && !/^(node|nodejs|bun)[0-9.]*$/.test(exe)) return undefined;
  for (let i = 1; i < argv.length; i++) {
    const argument = argv[i]!;
    if (python && argument === '-m') return argv[i + 1]?.split('.')[0];
    if (/^(-c|-e|-p|--eval|--print|-)$/.test(argument)) return undefined;
    if (takesValue.test(argument)) i++;
    else if (!argument.startsWith('-')) return nameOfScript(argument);
  }
  return undefined;
}

function nameOfScript(path: string): string | undefined {
  const name = basename(path).replace(/\.(c|m)?[jt]s$|\.py$/, '');
  if (!anyName.test(name)) return name;
  for (let at = dirname(path); at !== '/' && at !== '.'; at = dirname(at)) {
    if (!anyDirectory.test(basename(at))) return basename(at);
  }
  return name;
}
