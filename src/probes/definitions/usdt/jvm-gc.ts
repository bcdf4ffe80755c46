import { attributeKey } from '../../../contract/attribute-key.ts';
import { usdtPair } from '../../pair/usdt-pair.ts';

/**
 * Stop-the-world pauses of HotSpot's collectors. `gc__begin` and `gc__end` enclose each pause (SvcGCMarker of
 * src/hotspot/share/gc/shared/gcVMOperations.hpp). Concurrent phases have none. `mem__pool__gc__begin(manager, length, pool, …)` comes once
 * for each memory pool, and has the collector's name as its GarbageCollectorMXBean does.
 */
export const jvmGc = usdtPair({
  name: 'jvm/gc',
  library: 'HotSpot JVM, garbage collection pauses',
  versions: 'OpenJDK 17 – 25',
  provider: 'hotspot',
  start: 'gc__begin',
  during: 'mem__pool__gc__begin',
  end: 'gc__end',
  libraries: /^libjvm\.so/,
  spanName: ['gc'],
  arguments: [{ key: attributeKey('jvm.gc.name'), of: 'during', argument: 0, type: 'string', lengthArgument: 1 }],
  minDurationNs: 1_000_000,
  maxPerSecond: 100,
});
