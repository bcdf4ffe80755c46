import { expect, test } from 'vitest';
import { isMoved } from '../../src/discovery/processes/moved-code.ts';

// Executable mappings of node 24.21.0 as /proc/PID/maps had them.
const program = `
00746000-00749000 r-xp 00346000 fe:00 1071 /opt/node
0074a000-03044000 r-xp 0034a000 fe:00 1071 /opt/node
03200000-03201000 r-xp 02e00000 fe:00 1071 /opt/node
06b7d000-06bb6000 rw-p 00000000 00:00 0 
`;
const compiled = `
7fca40000000-7fca5fdc0000 rwxp 00000000 00:00 0 
7fca5fdc0000-7fca5ffc5000 r-xp 01627000 fe:00 1071 /opt/node
7fca5ffc5000-7fca60000000 rwxp 00000000 00:00 0 
`;
const library = '7fca80444000-7fca8059a000 r-xp 00026000 fe:00 3262 /usr/lib/x86_64-linux-gnu/libc.so.6\n';
const inHugePages = `
00746000-00749000 r-xp 00346000 fe:00 1071 /opt/node
0074a000-00800000 r-xp 0034a000 fe:00 1071 /opt/node
00800000-03000000 r-xp 00000000 00:00 0 
03000000-03044000 r-xp 02c00000 fe:00 1071 /opt/node
03200000-03201000 r-xp 02e00000 fe:00 1071 /opt/node
`;

test.each([
  ['just started', program + library, false],
  ['with compiled code around a second mapping of its builtins', program + compiled + library, false],
  ['--use-largepages', inHugePages + library, true],
  ['--use-largepages, with compiled code', inHugePages + compiled + library, true],
  ['another program', program.replaceAll('1071', '1072') + compiled, false],
  ['no mappings: a process that has ended', '', false],
])('%s', (_, maps, moved) => {
  expect(isMoved(maps, 1071n)).toBe(moved);
});
