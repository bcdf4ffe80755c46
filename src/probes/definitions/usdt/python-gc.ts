import { attributeKey } from '../../../contract/attribute-key.ts';
import { usdtPair } from '../../pair/usdt-pair.ts';

/**
 * Runs of CPython's cyclic garbage collector: `gc__start(generation)`, `gc__done(collected objects)` (Include/pydtrace.d). Builds need
 * --with-dtrace, as Debian's, Ubuntu's and Fedora's have. The thread that collects reaches both.
 */
export const pythonGc = usdtPair({
  name: 'python/gc',
  library: 'CPython, garbage collection',
  versions: 'CPython 3.6 – 3.14 with --with-dtrace',
  provider: 'python',
  start: 'gc__start',
  end: 'gc__done',
  libraries: /^libpython3.*\.so/,
  spanName: ['gc'],
  arguments: [
    { key: attributeKey('cpython.gc.generation'), of: 'start', argument: 0, type: 'i32' },
    { key: attributeKey('cpython.gc.collected_objects'), of: 'end', argument: 0, type: 'i64' },
  ],
  minDurationNs: 1_000_000,
  maxPerSecond: 100,
});
