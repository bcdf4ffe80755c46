import { readEnviron } from './environ.ts';
import { socketInodes } from './listening-ports.ts';
import { readProcFile } from './proc-file.ts';
import { TcpState, tcpSockets } from './tcp-table.ts';

/** Where OpenTelemetry SDKs send by default: OTLP/gRPC and OTLP/HTTP (OTLP specification, "Default port"). */
const otlpPorts = [4317, 4318];
/** Variables that configure an exporter of traces (OpenTelemetry specification, "SDK environment variables"). */
const exporterVariables = [
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_ZIPKIN_ENDPOINT',
  'OTEL_EXPORTER_JAEGER_ENDPOINT',
];
/** As in /proc/PID/maps (OTEP 4719, "Process Context"): a memfd, a memfd with a name of its own, or anonymous memory. */
const processContext = /(?: \/memfd:OTEL_CTX| \[anon_shmem:OTEL_CTX\]| \[anon:OTEL_CTX\])(?: \(deleted\))?$/m;
const maxMapsBytes = 8 << 20;
const maxTableBytes = 8 << 20;

/** What shows that an OpenTelemetry SDK runs in a process. */
export interface SdkEvidence {
  /** A sentence without its subject, for people. */
  readonly detail: string;
  /** Whether the SDK was seen at work. Otherwise the process is only configured for one. */
  readonly seen: boolean;
}

/**
 * Whether an OpenTelemetry SDK runs in a process that contains one. Many programs contain it, with instrumentation, because a library
 * brings it along, and never start it. Undefined: nothing shows that it runs. An SDK that the program configures itself only shows when its
 * exporter has connected.
 */
export function runningOtelSdk(pid: number): SdkEvidence | undefined {
  if (hasProcessContext(readProcFile(`/proc/${pid}/maps`, maxMapsBytes)?.toString('latin1') ?? '')) {
    return { detail: 'publishes the process context of an OpenTelemetry SDK', seen: true };
  }
  const port = otlpConnection(pid);
  if (port !== undefined) return { detail: `is connected to port ${port} (OTLP)`, seen: true };
  const variable = configuredBy(readEnviron(pid));
  return variable === undefined ? undefined : { detail: `has ${variable} set`, seen: false };
}

/** Whether a process publishes the context of its SDK, by the text of /proc/PID/maps. */
export function hasProcessContext(maps: string): boolean {
  return processContext.test(maps);
}

/** The variable that configures an exporter of traces. Undefined: none does, or another switches it off. */
export function configuredBy(environ: ReadonlyMap<string, string>): string | undefined {
  if (environ.get('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  const exporter = environ.get('OTEL_TRACES_EXPORTER');
  if (exporter === 'none') return undefined;
  if (exporter) return 'OTEL_TRACES_EXPORTER';
  return exporterVariables.find((name) => environ.get(name));
}

/** The remote port of a process's connection to an OTLP receiver. */
function otlpConnection(pid: number): number | undefined {
  const connections = new Map<string, number>();
  for (const table of ['tcp', 'tcp6']) {
    const text = readProcFile(`/proc/${pid}/net/${table}`, maxTableBytes)?.toString('latin1') ?? '';
    for (const [inode, port] of parseOtlpConnections(text)) connections.set(inode, port);
  }
  if (connections.size === 0) return undefined;
  for (const inode of socketInodes(pid)) {
    const port = connections.get(inode);
    if (port !== undefined) return port;
  }
  return undefined;
}

/** Socket inode to remote port, from the lines of /proc/net/tcp or tcp6 (proc_pid_net(5)) with connections to OTLP receivers. */
export function parseOtlpConnections(table: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const { inode, remotePort } of tcpSockets(table, TcpState.established)) {
    if (otlpPorts.includes(remotePort)) found.set(inode, remotePort);
  }
  return found;
}
