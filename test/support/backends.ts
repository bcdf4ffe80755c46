import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The real programs that `make test-backends` builds. */
export type BackendName = 'jaeger' | 'otelcol';

const recipe = join(import.meta.dirname, '..', '..', 'scripts', 'build-backends.sh');

/** Where scripts/build-backends.sh puts it, built or not. */
export function backendPath(name: BackendName): string {
  return execFileSync(recipe, ['path', name], { encoding: 'utf8' }).trim();
}

/**
 * Whether the real backends are here. Without them, tests against them are not registered, and a line says so. Under `make test-backends`
 * (REQUIRE_BACKENDS) that is an error.
 */
export function haveBackends(): boolean {
  const missing = (['jaeger', 'otelcol'] as const).filter((name) => !existsSync(backendPath(name)));
  if (missing.length === 0) return true;
  if (process.env.REQUIRE_BACKENDS) throw new Error(`REQUIRE_BACKENDS is set, and not built: ${missing.join(', ')}`);
  console.warn(`not tested against real backends (${missing.join(', ')}): make test-backends builds them`);
  return false;
}
