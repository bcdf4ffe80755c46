import { expect, test } from 'vitest';
import { endedIdentity } from '../../src/discovery/processes/identity.ts';

test('a process nobody saw is named by the file it ran, and marked', () => {
  const { attributes } = endedIdentity(77, '/opt/shop/bin/cart', { agentVersion: '1.2.3' });
  expect(attributes).toMatchObject({
    'service.name': 'cart',
    'process.pid': 77,
    'process.executable.path': '/opt/shop/bin/cart',
    'telemetry.distro.version': '1.2.3',
    'uspan.process.ended': true,
  });
  expect(attributes['service.instance.id']).toMatch(/^[0-9a-f]{8}-/);
  expect(attributes['container.id']).toBeUndefined();
});

test('a rule of the user goes first', () => {
  const { attributes } = endedIdentity(77, '/opt/shop/bin/cart', { agentVersion: '1', serviceName: 'shop' });
  expect(attributes['service.name']).toBe('shop');
});
