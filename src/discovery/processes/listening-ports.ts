import { readdirSync, readlinkSync } from 'node:fs';
import { readProcFile } from './proc-file.ts';
import { TcpState, tcpSockets } from './tcp-table.ts';

/** Enough for 7,000 sockets. The kernel lists the listening ones before all others (net/ipv4/tcp_ipv4.c, tcp_seq_start). */
const maxTableBytes = 1024 * 1024;

/**
 * The TCP ports that a process listens on, in rising order, as seen in its own network namespace. Empty if its descriptors are unreadable.
 */
export function listeningPorts(pid: number): number[] {
  const listening = new Map<string, number>();
  for (const table of ['tcp', 'tcp6']) {
    const bytes = readProcFile(`/proc/${pid}/net/${table}`, maxTableBytes);
    for (const [inode, port] of parseListening(bytes?.toString('latin1') ?? '')) listening.set(inode, port);
  }
  if (listening.size === 0) return [];
  const ports = new Set<number>();
  for (const inode of socketInodes(pid)) {
    const port = listening.get(inode);
    if (port !== undefined) ports.add(port);
  }
  return [...ports].sort((a, b) => a - b);
}

/** Socket inode to local port, from the listening lines of /proc/net/tcp or tcp6 (proc_pid_net(5)). */
export function parseListening(table: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const { inode, localPort } of tcpSockets(table, TcpState.listen)) {
    if (localPort > 0) found.set(inode, localPort);
  }
  return found;
}

/** Inodes of the sockets that a process has open. None if its descriptors are unreadable. */
export function* socketInodes(pid: number): Generator<string> {
  const directory = `/proc/${pid}/fd`;
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return;
  }
  for (const name of names) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${directory}/${name}`))?.[1];
      if (inode) yield inode;
    } catch {
      // Closed since the listing.
    }
  }
}
