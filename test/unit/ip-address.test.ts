import { BlockList, isIPv6, SocketAddress } from 'node:net';
import { expect, test } from 'vitest';
import { ipv4Text, ipv6Text } from '../../src/semconv/ip-address.ts';

test.each(['0.0.0.0', '127.0.0.1', '192.0.2.255'])('IPv4 %s', (text) => {
  expect(ipv4Text(Uint8Array.from([9, ...text.split('.').map(Number)]), 1)).toBe(text);
});

/** RFC 5952, sections 4 and 5. */
test.each([
  ['20010db8000000000000000000000001', '2001:db8::1'],
  ['20010db8000000010000000000000001', '2001:db8:0:1::1'],
  ['20010db8000100000000000100000001', '2001:db8:1::1:0:1'],
  ['20010db80000000100010001000100ab', '2001:db8:0:1:1:1:1:ab'],
  ['00000000000000000000000000000000', '::'],
  ['00000000000000000000000000000001', '::1'],
  ['fe800000000000000000000000000000', 'fe80::'],
  ['00000000000000000000ffffc0000201', '192.0.2.1'],
])('IPv6 %s is %s', (hex, text) => {
  const bytes = Buffer.from(`ff${hex}`, 'hex');
  expect(ipv6Text(bytes, 1)).toBe(text);
  if (!isIPv6(text)) return;
  // The same address to Node.js.
  const groups = hex.match(/.{4}/g)!.join(':');
  const list = new BlockList();
  list.addAddress(new SocketAddress({ address: groups, family: 'ipv6' }));
  expect(list.check(text, 'ipv6')).toBe(true);
});
