import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type * as Native from '../native/native.d.ts';
import { UspanError } from './contract/errors.ts';
import { nativeBuild } from './settings/development.ts';

export type {
  BpfMap,
  BpfObject,
  FeatureName,
  Link,
  MappedFile,
  OpenOptions,
  ProgramInfo,
  RingBuffer,
} from '../native/native.d.ts';

/** What native/native.d.ts declares. */
export type NativeModule = typeof Native;

const expectedAbi = 4;
let loaded: NativeModule | undefined;

/**
 * The native addon, loaded at first use. `USPAN_NATIVE_BUILD=asan` takes the sanitizer build (tests).
 * @throws UspanError E_NATIVE if it is missing, cannot be loaded, or was built from other sources
 */
export function loadNative(): NativeModule {
  loaded ??= load();
  return loaded;
}

function load(): NativeModule {
  const path = fileURLToPath(new URL(`../native/build/${nativeBuild}/uspan.node`, import.meta.url));
  const fix = `Build it: scripts/build-native.sh${nativeBuild === 'Debug' ? ' --asan' : ''}`;
  let native: NativeModule;
  try {
    native = createRequire(import.meta.url)(path);
  } catch (cause) {
    throw new UspanError('E_NATIVE', 'the native addon could not be loaded', { on: path, fix, cause });
  }
  const { abi } = native.versions();
  if (abi !== expectedAbi) {
    throw new UspanError('E_NATIVE', `the native addon has ABI ${abi}, ${expectedAbi} is needed`, { on: path, fix });
  }
  return native;
}
