import { UspanError } from '../contract/errors.ts';
import { requirements } from '../probes/attach/requirements.ts';

/**
 * Refuses to start where uspan could only half work. @throws UspanError for the first thing that is missing, with all others of its kind
 */
export function preflight(): void {
  const missing = requirements().filter(({ required, met }) => required && met === false);
  const [first] = missing;
  if (!first) return;
  const { code, fix } = first;
  const same = missing.filter((requirement) => requirement.code === code);
  throw new UspanError(code, `this host lacks ${same.map(({ name, detail }) => `${name} (${detail})`).join(', ')}`, {
    fix,
  });
}
