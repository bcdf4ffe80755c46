import { parseListening, socketInodes } from './listening-ports.ts';
import { readProcFile } from './proc-file.ts';
import { TcpState, tcpSockets } from './tcp-table.ts';

const maxTableBytes = 8 * 1024 * 1024;

/** What shows that a process serves clients at the moment. */
export interface Served {
  /** A TCP port that it listens on, and has a connection of a client on. */
  readonly port: number;
  /** Bytes that it has read so far, from sockets and files: `rchar` of /proc/PID/io (proc_pid_io(5)). */
  readonly readBytes: number;
}

/** Undefined: it has no client, or its files below /proc are unreadable. */
export function served(pid: number): Served | undefined {
  const inodes = new Set(socketInodes(pid));
  for (const name of ['tcp', 'tcp6']) {
    const table = readProcFile(`/proc/${pid}/net/${name}`, maxTableBytes)?.toString('latin1') ?? '';
    const port = portWithClient(table, inodes);
    if (port === undefined) continue;
    const readBytes = /^rchar: (\d+)$/m.exec(readProcFile(`/proc/${pid}/io`, 4096)?.toString('latin1') ?? '')?.[1];
    return readBytes === undefined ? undefined : { port, readBytes: Number(readBytes) };
  }
  return undefined;
}

/**
 * A port that one of the sockets listens on, and another has a connection on.
 * @param table /proc/net/tcp or tcp6
 * @param inodes of the sockets of a process
 */
export function portWithClient(table: string, inodes: ReadonlySet<string>): number | undefined {
  const listening = new Set<number>();
  for (const [inode, port] of parseListening(table)) if (inodes.has(inode)) listening.add(port);
  if (listening.size === 0) return undefined;
  for (const { inode, localPort } of tcpSockets(table, TcpState.established)) {
    if (inodes.has(inode) && listening.has(localPort)) return localPort;
  }
  return undefined;
}
