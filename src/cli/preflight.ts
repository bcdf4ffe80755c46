import { UspanError } from '../contract/errors.ts';
import { capabilities, kernelFeatures } from '../probes/attach/features.ts';

/** Refuses to start where it could only half-work. @throws UspanError E_CAPABILITY, E_BTF or E_KERNEL_FEATURE */
export function preflight(): void {
  const missing = capabilities().filter(({ required, effective }) => required && !effective);
  if (missing.length > 0) {
    const names = missing.map(({ name }) => `CAP_${name}`).join(', ');
    throw new UspanError('E_CAPABILITY', `${names} missing (${missing.map(({ purpose }) => purpose).join('; ')})`, {
      fix: 'Run it as root, or grant these: setpriv, systemd AmbientCapabilities=, or securityContext.capabilities.add',
    });
  }
  for (const { name, required, supported, detail, without } of kernelFeatures()) {
    if (!required || supported) continue;
    throw new UspanError(name === 'btf' ? 'E_BTF' : 'E_KERNEL_FEATURE', `this kernel lacks ${name}: ${without}`, {
      on: detail,
      fix: 'uspan doctor shows what this kernel can; Linux 5.15 or newer with BTF is needed',
    });
  }
}
