import { usualSecretKeys } from '../contract/secret-keys.ts';
import type { Settings } from './table.ts';

/** Stands for the usual keys. */
export const usual = 'default';

/** The keys of a query whose values are redacted. A `*` at the end of one stands for anything. */
export function secretKeysOf({ redactedQueryKeys }: Pick<Settings, 'redactedQueryKeys'>): readonly string[] {
  return redactedQueryKeys.flatMap((key) => (key === usual ? usualSecretKeys : [key]));
}
