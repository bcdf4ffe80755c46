/** `TCP_ESTABLISHED` and `TCP_LISTEN` of include/net/tcp_states.h as the tables print them. */
export const TcpState = { established: '01', listen: '0A' } as const;

/** A line of /proc/net/tcp or tcp6 (proc_pid_net(5)). A port that cannot be read is NaN. */
export interface TcpSocket {
  readonly inode: string;
  readonly localPort: number;
  readonly remotePort: number;
}

/** The sockets of a table that are in one state. */
export function* tcpSockets(table: string, state: (typeof TcpState)[keyof typeof TcpState]): Generator<TcpSocket> {
  for (const line of table.split('\n').slice(1)) {
    const [, local, remote, itsState, , , , , , inode] = line.trim().split(/\s+/);
    if (itsState !== state || !local || !remote || !inode) continue;
    yield { inode, localPort: portOf(local), remotePort: portOf(remote) };
  }
}

function portOf(address: string): number {
  return Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16);
}
