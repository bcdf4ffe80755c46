/** Every setting of `uspan run`, once. src/cli/flags.ts has what a command also takes, for its own output. */
import type { TracesExporter } from '../contract/export-settings.ts';
import { type Headers, headerList, readHeaders } from './headers.ts';
import { endpointText, otlpUrl } from './otlp-endpoint.ts';
import { samplerArgument, samplerNames } from './sampler.ts';
import { defaulted, list, optional, type Setting } from './setting.ts';
import { readProbe, type UserProbe } from './user-probe.ts';
import { oneOf, plainText, powerOfTwo, ratio, readableFile, text, truth, wholeNumber } from './value.ts';

const MiB = 1024 * 1024;
const glob = text('a glob', 1024);
/** The range of a timer. */
const milliseconds = wholeNumber(1, 2 ** 31 - 1);
const spans = wholeNumber(1, 2 ** 31 - 1);
/** The variable for traces alone wins over the one for all signals. */
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

const headers: Setting<Headers> = {
  help: 'headers of every export request; in the file, a mapping without percent-encoding',
  environment: ['OTEL_EXPORTER_OTLP_HEADERS'],
  yaml: 'export.headers',
  value: headerList,
  repeatable: false,
  initial: {},
  read: readHeaders,
  reloadable: true,
};

/** In the order of the pages that scripts/gen-docs.ts makes from it. */
export const table = {
  // Which processes to trace. Without any of these, every process that uspan can trace.
  pids: list(
    // PID_MAX_LIMIT of include/linux/threads.h.
    wholeNumber(1, 4194304),
    [],
    'trace the process with this id (repeatable)',
    { flag: '--pid <n>', reloadable: true },
  ),
  exeGlobs: list(glob, [], 'trace processes by the path or name of their executable (repeatable)', {
    flag: '--exe <glob>',
    yaml: 'targets.exe',
    reloadable: true,
  }),
  ports: list(wholeNumber(1, 65535), [], 'trace processes that listen on this TCP port (repeatable)', {
    flag: '--port <n>',
    yaml: 'targets.ports',
    reloadable: true,
  }),
  excludeExeGlobs: list(glob, [], 'leave out processes by their executable (repeatable)', {
    flag: '--exclude-exe <glob>',
    yaml: 'targets.exclude_exe',
    reloadable: true,
  }),

  // What to attach to them.
  allowSingleStep: defaulted(truth, false, 'accept sites where a hit costs about 15 µs instead of 0.5', {
    flag: '--single-step',
    yaml: 'single_step',
    reloadable: true,
  }),
  allowInstrumented: defaulted(truth, false, 'also trace programs that already export with an OpenTelemetry SDK', {
    flag: '--instrumented',
    yaml: 'instrumented',
    reloadable: true,
  }),
  allowSecond: defaulted(truth, false, 'also trace processes that another uspan traces: each span is there twice', {
    flag: '--allow-second',
    yaml: 'allow_second',
    reloadable: false,
  }),
  without: {
    ...list(glob, [], 'leave out a library, by the name of its definition (repeatable)', {
      flag: '--without <glob>',
      yaml: 'without',
      reloadable: true,
    }),
    adds: true,
  },
  configFile: optional(text('the path of a file', 4095), 'read settings, and probes of your own, from a YAML file', {
    flag: '--config <file>',
    environment: ['USPAN_CONFIG'],
    reloadable: false,
  }),
  probes,

  // Their name, and where spans go.
  serviceName: optional(text('a name', 255), 'the service.name of everything traced', {
    flag: '--service-name <name>',
    yaml: 'service_name',
    reloadable: true,
  }),
  console: defaulted(truth, false, 'print span trees to the terminal instead of sending spans', {
    flag: '--console',
    reloadable: false,
  }),
  json: defaulted(truth, false, 'print spans as JSON, one per line, instead of sending them', {
    flag: '--json',
    reloadable: false,
  }),
  reportFile: optional(text('the path of a file', 4095), 'at the end, write what was attached, seen and lost', {
    flag: '--report <file>',
    reloadable: false,
  }),

  // Limits.
  maxInFlight: defaulted(wholeNumber(64, 1048576), 16384, 'requests in flight that are followed at the same time', {
    flag: '--max-in-flight <n>',
    yaml: 'limits.max_in_flight',
    reloadable: false,
  }),
  maxPathBytes: defaulted(wholeNumber(16, 8192), 1024, 'longest URL path and query that is kept', {
    flag: '--max-path-bytes <n>',
    yaml: 'limits.max_path_bytes',
    reloadable: true,
  }),
  maxStatementBytes: defaulted(wholeNumber(16, 8192), 4096, 'longest SQL text that is kept', {
    flag: '--max-statement-bytes <n>',
    yaml: 'limits.max_statement_bytes',
    reloadable: true,
  }),
  ringBytes: defaulted(powerOfTwo(65536, 1024 * MiB), 4 * MiB, 'size of the ring between kernel and uspan', {
    flag: '--ring-bytes <n>',
    yaml: 'limits.ring_bytes',
    reloadable: false,
  }),
  redactedQueryKeys: list(
    text('a key, which may end with `*`', 127),
    ['default'],
    'redact the values of this key in the queries of URLs; `default` is the list in spans.md (repeatable)',
    { flag: '--redact-query <key>', yaml: 'redact_query', shownInitial: 'that list', reloadable: true },
  ),
  logLevel: defaulted(
    oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace']),
    'info',
    'lowest severity that is logged to stderr',
    { flag: '--log-level <level>', environment: ['USPAN_LOG_LEVEL'], yaml: 'log_level', reloadable: true },
  ),

  // Which traces: sampler.ts.
  sampler: defaulted(oneOf(samplerNames), 'parentbased_always_on', 'how uspan chooses traces', {
    environment: ['OTEL_TRACES_SAMPLER'],
    yaml: 'sampler.name',
    reloadable: true,
  }),
  samplerArgument: defaulted(
    { ...plainText, allowed: ratio.allowed },
    '1',
    'share of traces, for the samplers `traceidratio`; the others ignore it',
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
    'where spans go; with `otlp,console`, uspan also sends when `--json` or `--console` is given, which by themselves send nothing',
    { environment: ['OTEL_TRACES_EXPORTER'], yaml: 'export.to', reloadable: false },
  ),
  otlpProtocol: defaulted(oneOf(['http/protobuf', 'grpc']), 'http/protobuf', 'protocol of OTLP', {
    environment: otlp('PROTOCOL'),
    yaml: 'export.protocol',
    reloadable: false,
  }),
  otlpEndpoint: optional(endpointText, 'the collector: a base, to which HTTP appends `/v1/traces`', {
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
  otlpTracesHeaders: defaulted<Headers>(
    headerList,
    {},
    'the same for traces alone; they add to the others, and win over them',
    {
      environment: ['OTEL_EXPORTER_OTLP_TRACES_HEADERS'],
      reloadable: true,
    },
  ),
  otlpCompression: defaulted(oneOf(['none', 'gzip']), 'none', 'compression of export requests', {
    environment: otlp('COMPRESSION'),
    yaml: 'export.compression',
    reloadable: true,
  }),
  otlpTimeoutMs: defaulted(
    milliseconds,
    10_000,
    'ms that an export request may wait for its answer, and, up to 4 s, for its connection; after that, uspan sends it again',
    {
      environment: otlp('TIMEOUT'),
      yaml: 'export.timeout_ms',
      reloadable: true,
    },
  ),
  otlpCaFile: optional(readableFile, 'PEM file of the certificate authorities to trust', {
    environment: otlp('CERTIFICATE'),
    yaml: 'export.certificate',
    shownInitial: "the system's",
    reloadable: true,
  }),
  otlpCertFile: optional(readableFile, 'PEM file of the client certificate, for mutual TLS', {
    environment: otlp('CLIENT_CERTIFICATE'),
    yaml: 'export.client_certificate',
    reloadable: true,
  }),
  otlpKeyFile: optional(readableFile, 'PEM file of the key of the client certificate', {
    environment: otlp('CLIENT_KEY'),
    yaml: 'export.client_key',
    reloadable: true,
  }),
  otlpInsecure: defaulted(truth, false, 'no TLS for gRPC endpoints without a scheme', {
    environment: otlp('INSECURE'),
    yaml: 'export.insecure',
    reloadable: true,
  }),

  // Batches and queue. The defaults are larger than an SDK's, because the spans of a whole host come together here.
  scheduleDelayMs: defaulted(
    milliseconds,
    1000,
    'ms that a span waits for others, at most; a full batch goes at once',
    {
      environment: ['OTEL_BSP_SCHEDULE_DELAY'],
      yaml: 'export.delay_ms',
      reloadable: true,
    },
  ),
  maxBatchSpans: defaulted(spans, 8192, 'spans in an export request', {
    environment: ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE'],
    yaml: 'export.max_batch_spans',
    reloadable: true,
  }),
  // gRPC servers take 4 MiB, unless they set another limit.
  maxBatchBytes: defaulted(wholeNumber(65536, 64 * MiB), 4_000_000, 'bytes in an export request, before compression', {
    yaml: 'export.max_batch_bytes',
    reloadable: true,
  }),
  maxQueueSpans: defaulted(spans, 262_144, 'spans that wait or are being sent', {
    environment: ['OTEL_BSP_MAX_QUEUE_SIZE'],
    yaml: 'export.max_queue_spans',
    reloadable: true,
  }),
  maxQueueBytes: defaulted(wholeNumber(MiB, 16 * 1024 * MiB), 128 * MiB, 'bytes of spans that wait or are being sent', {
    yaml: 'export.max_queue_bytes',
    reloadable: true,
  }),
  exportTimeoutMs: defaulted(milliseconds, 30_000, 'the same as `OTEL_EXPORTER_OTLP_TIMEOUT`; the smaller one counts', {
    environment: ['OTEL_BSP_EXPORT_TIMEOUT'],
    reloadable: true,
  }),
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

export type SettingName = keyof typeof table;

/** The value of every setting. */
export type Settings = {
  readonly [K in SettingName]: (typeof table)[K] extends Setting<infer T> ? T : never;
};

/** The rows with their names, for code that treats all rows alike. */
export const rows = Object.entries(table) as unknown as readonly (readonly [SettingName, Setting<unknown>])[];
