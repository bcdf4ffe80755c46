import { basename, dirname, resolve } from 'node:path/posix';
import type { GoFacts } from '../../contract/binary.ts';
import type { ProcessFacts } from './process-facts.ts';
import type { Place } from './process-place.ts';

/** Names that say nothing, of scripts, executables and directories. */
const anyScript = /^(index|main|app|server|start|run|cli|__main__|manage|www|\.?)$/;
const anyProgram = /^(node|nodejs|bun|python[0-9.]*|pypy[0-9.]*|index|main|app|server|\.?)$/;
const anyDirectory =
  /^(src|dist|build|lib|bin|sbin|out|exe|usr|local|opt|srv|var|tmp|home|root|app|target|release|debug|b\d+|go-build\d+|\.)?$/;

/** Options of node and python whose value is the next argument. */
const takesValue = /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|-W|-X)$/;

type Go = Pick<GoFacts, 'path'> & Partial<GoFacts>;

/**
 * What to call a program without a configured name: the package of a Go program, the script of a Node.js or Python one, otherwise the
 * executable. For a name that says nothing: the Go module, the name in package.json, or the directory. Without any of these it is
 * `unknown_service:` and the executable (OpenTelemetry, Resource semantic conventions, `service.name`). Undefined only if even that is
 * unreadable and the kernel has no name for it.
 */
export function programName(facts: ProcessFacts, go?: Go, place?: Place): string | undefined {
  const { exe, comm, argv } = facts;
  const program = exe ? basename(exe.path) : comm;
  const found =
    (go && goName(go)) ||
    (exe && scriptName(program, argv ?? [], place)) ||
    (!anyProgram.test(program) && program) ||
    (exe && !isInterpreter(program) && directoryName(dirname(exe.path)));
  return found || (program === '' ? undefined : `unknown_service:${program}`);
}

/** `example.com/shop/cmd/api` → `api`, `example.com/shop/v2` → `shop`, `example.com/shop/cmd/server` → `shop`. */
function goName({ path, main }: Go): string | undefined {
  // What `go build FILE.go` and `go run FILE.go` call the package.
  const name = path === 'command-line-arguments' ? '' : lastElement(path);
  if (!anyProgram.test(name)) return name;
  const module = main?.path ?? path.replace(/\/(cmd|internal)\/.*/, '');
  if (!anyProgram.test(lastElement(module))) return module === path && name === '' ? undefined : lastElement(module);
  return module.includes('/') ? module : undefined;
}

function lastElement(path: string): string {
  return path
    .replace(/\/v[0-9]+$/, '')
    .split('/')
    .at(-1)!;
}

function isPython(program: string): boolean {
  return /^(python|pypy)[0-9.]*$/.test(program);
}

function isInterpreter(program: string): boolean {
  return isPython(program) || /^(node|nodejs|bun)[0-9.]*$/.test(program);
}

function scriptName(program: string, given: readonly string[], place: Place | undefined): string | undefined {
  if (!isInterpreter(program)) return undefined;
  const python = isPython(program);
  const argv = titled(program, given);
  for (let i = 1; i < argv.length; i++) {
    const argument = argv[i]!;
    if (python && argument === '-m') return argv[i + 1]?.split('.')[0];
    if (/^(-c|-e|-p|--eval|--print|-)$/.test(argument)) break;
    if (takesValue.test(argument)) i++;
    else if (argument !== '' && !argument.startsWith('-')) return nameOfScript(argument, python ? undefined : place);
  }
  const cwd = python ? undefined : place?.directory();
  return (cwd && place!.packageName(cwd)) || titleName(argv);
}

/**
 * `process.title = 'text'` writes over the arguments: the text, then zeros (libuv, `uv_set_process_title`). PM2 writes a command line of one
 * piece.
 */
function titled(program: string, argv: readonly string[]): readonly string[] {
  const [first = '', ...others] = argv;
  if (others.some((argument) => argument !== '')) return argv;
  const pieces = first.split(' ');
  return pieces.length > 1 && basename(pieces[0]!) === program ? pieces : [first];
}

/** `next-server (v15.5.29)` → `next-server`. */
function titleName(argv: readonly string[]): string | undefined {
  if (argv.length !== 1 || argv[0]!.includes('/')) return undefined;
  const name = /^[^\s:(]*/.exec(argv[0]!)![0];
  return anyProgram.test(name) || anyScript.test(name) ? undefined : name;
}

function nameOfScript(path: string, place: Place | undefined): string | undefined {
  const name = basename(path).replace(/\.(c|m)?[jt]s$|\.py$/, '');
  const from = path.startsWith('/') ? undefined : place?.directory();
  const whole = from === undefined ? path : resolve(from, path);
  // Of a tool that was installed for a package, such as `next start`, the package is what runs.
  const installed = whole.indexOf('/node_modules/');
  const owner = installed > 0 ? place?.packageName(whole.slice(0, installed)) : undefined;
  if (owner) return owner;
  if (!anyScript.test(name)) return name;
  return (whole.startsWith('/') && place?.packageName(dirname(whole))) || directoryName(dirname(whole));
}

/** The name of the first directory on the way up that says something. */
function directoryName(path: string): string | undefined {
  for (let at = path; at !== '/' && at !== '.'; at = dirname(at)) {
    const name = basename(at);
    if (!anyDirectory.test(name) && !anyScript.test(name)) return name;
  }
  return undefined;
}
