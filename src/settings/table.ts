/** Every setting of `uspan run`, once. What a command takes besides, for its own output, is in src/cli/flags.ts. */
import type { TracesExporter } from '../contract/export-settings.ts';
import { endpointText, otlpUrl } from './otlp-endpoint.ts';
import { samplerArgument, samplerNames } from './sampler.ts';
import { defaulted, list, optional, type Setting } from './setting.ts';
import { readProbe, type UserProbe } from './user-probe.ts';
import { keyValues, oneOf, plainText, powerOfTwo, ratio, readableFile, text, truth, wholeNumber } from './value.ts';

const MiB = 1024 * 1024;
const glob = text('a glob', 1024);
/** What a timer takes. */
const milliseconds = wholeNumber(1, 2 ** 31 - 1);
const spans = wholeNumber(1, 2 ** 31 - 1);
/** The variable of the traces alone goes before that of all signals. */
const otlp = (name: string) => [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`];

const probes: Setting<readonly UserProbe[]> = {
  help: 'spans between USDT probes of your own: usdt.md',
  yaml: 'probes',
  value: { allowed: 'a list of probes', parse: () => undefined },
  repeatable: false,
  initial: [],
  read: (node) => node.items().map(readProbe),
  reloadable: true,
};

const headers: Setting<Readonly<Record<string, string>>> = {
  help: 'headers of every request; in the file a mapping, not percent-encoded',
  environment: ['OTEL_EXPORTER_OTLP_HEADERS'],
  yaml: 'export.headers',
  value: keyValues,
  repeatable: false,
  initial: {},
  read: (node) => Object.fromEntries(node.entries().map(([name, value]) => [name, value.scalar()])),
  reloadable: true,
};

/** In the order of the pages that are made from it. */
export const table = {
  // Which processes; none of them means every process uspan can trace.
  pids: list(
    // PID_MAX_LIMIT of include/linux/threads.h.
    wholeNumber(1, 4194304),
    [],
    'take the process with this id (repeatable)',
    { flag: '--pid <n>', reloadable: true },
  ),
  exeGlobs: list(glob, [], 'take processes by the path or name of their executable (repeatable)', {
    flag: '--exe <glob>',
    yaml: 'targets.exe',
    reloadable: true,
  }),
  ports: list(wholeNumber(1, 65535), [], 'take processes that listen on this TCP port (repeatable)', {
    flag: '--port <n>',
    yaml: 'targets.ports',
    reloadable: true,
  }),
  excludeExeGlobs: list(glob, [], 'leave out processes by their executable (repeatable)', {
    flag: '--exclude-exe <glob>',
    yaml: 'targets.exclude_exe',
    reloadable: true,
  }),

  // What is attached to them.
  allowSingleStep: defaulted(truth, false, 'accept places where a probe costs about 15 µs a hit instead of 0.5', {
    flag: '--single-step',
    yaml: 'single_step',
    reloadable: true,
  }),
  allowInstrumented: defaulted(truth, false, 'also trace programs that already export with an OpenTelemetry SDK', {
    flag: '--instrumented',
    yaml: 'instrumented',
    reloadable: true,
  }),
  without: {
    ...list(glob, [], 'leave out a library uspan knows, by its definition (repeatable)', {
      flag: '--without <glob>',
      yaml: 'without',
      reloadable: true,
    }),
    adds: true,
  },
  configFile: optional(text('the path of a file', 4095), 'take settings, and probes of your own, from a YAML file', {
    flag: '--config <file>',
    environment: ['USPAN_CONFIG'],
    reloadable: false,
  }),
  probes,

  // What they are called, and where spans go.
  serviceName: optional(text('a name', 255), 'service.name of everything traced', {
    flag: '--service-name <name>',
    yaml: 'service_name',
    reloadable: true,
  }),
  console: defaulted(truth, false, 'print span trees to the terminal instead of sending spans', {
    flag: '--console',
    reloadable: false,
  }),
  json: defaulted(truth, false, 'print spans as JSON, one a line, instead of sending them', {
    flag: '--json',
    reloadable: false,
  }),
  reportFile: optional(text('the path of a file', 4095), 'at the end, write what was attached, seen and lost', {
    flag: '--report <file>',
    reloadable: false,
  }),

  // Limits.
  maxInFlight: defaulted(wholeNumber(64, 1048576), 16384, 'requests followed at a time', {
    flag: '--max-in-flight <n>',
    yaml: 'limits.max_in_flight',
    reloadable: false,
  }),
  maxPathBytes: defaulted(wholeNumber(16, 8192), 1024, 'longest URL path and query kept', {
    flag: '--max-path-bytes <n>',
    yaml: 'limits.max_path_bytes',
    reloadable: true,
  }),
  maxStatementBytes: defaulted(wholeNumber(16, 8192), 4096, 'longest SQL text kept', {
    flag: '--max-statement-bytes <n>',
    yaml: 'limits.max_statement_bytes',
    reloadable: true,
  }),
  ringBytes: defaulted(powerOfTwo(65536, 1024 * MiB), 4 * MiB, 'buffer between kernel and uspan', {
    flag: '--ring-bytes <n>',
    yaml: 'limits.ring_bytes',
    reloadable: false,
  }),
  logLevel: defaulted(
    oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace']),
    'info',
    'least severity that is logged to stderr',
    { flag: '--log-level <level>', environment: ['USPAN_LOG_LEVEL'], yaml: 'log_level', reloadable: true },
  ),

  // Which traces: sampler.ts.
  sampler: defaulted(oneOf(samplerNames), 'parentbased_always_on', 'how traces are chosen', {
    environment: ['OTEL_TRACES_SAMPLER'],
    yaml: 'sampler.name',
    reloadable: true,
  }),
  samplerArgument: defaulted(
    { ...plainText, allowed: ratio.allowed },
    '1',
    'share of traces, for the samplers `traceidratio`; the others do not look at it',
    {
      environment: ['OTEL_TRACES_SAMPLER_ARG'],
      yaml: 'sampler.argument',
      also: ({ sampler }) => samplerArgument(sampler),
      reloadable: true,
    },
  ),

  // Export: export-settings.ts.
  exporters: list<TracesExporter | 'none'>(
    oneOf(['otlp', 'console', 'none']),
    ['otlp'],
    'where spans go; `otlp,console` also sends beside `--json` and `--console`, which by themselves send nothing',
    { environment: ['OTEL_TRACES_EXPORTER'], yaml: 'export.to', reloadable: false },
  ),
  otlpProtocol: defaulted(oneOf(['http/protobuf', 'grpc']), 'http/protobuf', 'how OTLP is spoken', {
    environment: otlp('PROTOCOL'),
    yaml: 'export.protocol',
    reloadable: false,
  }),
  otlpEndpoint: optional(endpointText, 'the collector; a base, to which HTTP appends `/v1/traces`', {
    environment: ['OTEL_EXPORTER_OTLP_ENDPOINT'],
    yaml: 'export.endpoint',
    shownInitial: 'http://localhost:4318, for gRPC http://localhost:4317',
    also: ({ otlpProtocol }) => otlpUrl(otlpProtocol),
    reloadable: true,
  }),
  otlpTracesEndpoint: optional(endpointText, 'the same for traces alone, used as it is', {
    environment: ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
    also: ({ otlpProtocol }) => otlpUrl(otlpProtocol),
    reloadable: true,
  }),
  otlpHeaders: headers,
  otlpTracesHeaders: defaulted(keyValues, {}, 'the same for traces alone; they add to the others, and win', {
    environment: ['OTEL_EXPORTER_OTLP_TRACES_HEADERS'],
    reloadable: true,
  }),
  otlpCompression: defaulted(oneOf(['none', 'gzip']), 'none', 'of requests', {
    environment: otlp('COMPRESSION'),
    yaml: 'export.compression',
    reloadable: true,
  }),
  otlpTimeoutMs: defaulted(
    milliseconds,
    10_000,
    'ms that one request may wait for its connection, and for its answer; then it is sent again',
    {
      environment: otlp('TIMEOUT'),
      yaml: 'export.timeout_ms',
      reloadable: true,
    },
  ),
  otlpCaFile: optional(readableFile, 'PEM file of the authorities to trust', {
    environment: otlp('CERTIFICATE'),
    yaml: 'export.certificate',
    shownInitial: "the system's",
    reloadable: true,
  }),
  otlpCertFile: optional(readableFile, 'PEM file of the own certificate, for mutual TLS', {
    environment: otlp('CLIENT_CERTIFICATE'),
    yaml: 'export.client_certificate',
    reloadable: true,
  }),
  otlpKeyFile: optional(readableFile, 'PEM file of its key', {
    environment: otlp('CLIENT_KEY'),
    yaml: 'export.client_key',
    reloadable: true,
  }),
  otlpInsecure: defaulted(truth, false, 'gRPC endpoints without a scheme: no TLS', {
    environment: otlp('INSECURE'),
    yaml: 'export.insecure',
    reloadable: true,
  }),

  // Batches and queue. The defaults are larger than an SDK's: the spans of a whole host come together here.
  scheduleDelayMs: defaulted(milliseconds, 1000, 'ms a span waits for company at most; full batches go at once', {
    environment: ['OTEL_BSP_SCHEDULE_DELAY'],
    yaml: 'export.delay_ms',
    reloadable: true,
  }),
  maxBatchSpans: defaulted(spans, 8192, 'spans a request', {
    environment: ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE'],
    yaml: 'export.max_batch_spans',
    reloadable: true,
  }),
  // Below what receivers take: 4 MiB is the limit of gRPC servers, unless they set another.
  maxBatchBytes: defaulted(wholeNumber(65536, 64 * MiB), 4_000_000, 'bytes a request, before compression', {
    yaml: 'export.max_batch_bytes',
    reloadable: true,
  }),
  maxQueueSpans: defaulted(spans, 262_144, 'spans waiting or being sent', {
    environment: ['OTEL_BSP_MAX_QUEUE_SIZE'],
    yaml: 'export.max_queue_spans',
    reloadable: true,
  }),
  maxQueueBytes: defaulted(wholeNumber(MiB, 16 * 1024 * MiB), 128 * MiB, 'bytes of spans waiting or being sent', {
    yaml: 'export.max_queue_bytes',
    reloadable: true,
  }),
  exportTimeoutMs: defaulted(milliseconds, 30_000, 'the same; the smaller one counts', {
    environment: ['OTEL_BSP_EXPORT_TIMEOUT'],
    reloadable: true,
  }),
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

export type SettingName = keyof typeof table;

/** All settings, read. */
export type Settings = {
  readonly [K in SettingName]: (typeof table)[K] extends Setting<infer T> ? T : never;
};

/** The rows with their names, for those who treat all alike. */
export const rows = Object.entries(table) as unknown as readonly (readonly [SettingName, Setting<unknown>])[];
