/** The one way: discovery → plan → attach → decode → correlate → span → export. What a layer may import is written here, once. */
export interface Layer {
  readonly name: string;
  /** The first layer whose pattern matches a path below src/ is the file's. */
  readonly files: RegExp;
  /** Layers that it may import, besides itself. */
  readonly imports: readonly string[];
}

export const layers: readonly Layer[] = [
  { name: 'contract', files: /^contract\//, imports: [] },
  { name: 'guard', files: /^guard\.ts$/, imports: ['contract'] },
  // Switches for developers. Only these are not settings.
  { name: 'development', files: /^settings\/development\.ts$/, imports: [] },
  { name: 'native', files: /^native\.ts$/, imports: ['contract', 'development'] },
  { name: 'map-file', files: /^discovery\/map-file\.ts$/, imports: ['contract', 'native'] },
  { name: 'discovery', files: /^discovery\//, imports: ['contract', 'map-file'] },
  { name: 'layout', files: /^probes\/(layout\.gen|slab|span-record|open-spans)\.ts$/, imports: ['contract'] },
  // What each attachment id and each pid stands for. Attach and targets write it, correlate reads it.
  { name: 'tables', files: /^probes\/(probe|process)-table\.ts$/, imports: ['contract'] },
  { name: 'sql', files: /^sql\//, imports: ['contract'] },
  { name: 'semconv', files: /^semconv\//, imports: ['contract', 'layout', 'sql'] },
  {
    name: 'plan',
    files: /^probes\/(sites|plan|definitions|pair)[./]/,
    imports: ['contract', 'discovery', 'layout', 'semconv', 'sql'],
  },
  {
    name: 'attach',
    files: /^probes\/attach[./]/,
    imports: ['contract', 'discovery', 'map-file', 'layout', 'plan', 'native', 'guard', 'tables'],
  },
  { name: 'decode', files: /^probes\/decode[./]/, imports: ['contract', 'layout', 'plan'] },
  { name: 'correlate', files: /^probes\/correlate[./]/, imports: ['contract', 'layout', 'plan', 'decode', 'tables'] },
  { name: 'otel', files: /^otel\//, imports: ['contract'] },
  // The life cycle of processes: what is selected, attached and ended.
  {
    name: 'targets',
    files: /^targets\//,
    imports: ['contract', 'guard', 'discovery', 'plan', 'attach', 'tables'],
  },
  { name: 'report', files: /^report\.ts$/, imports: ['contract', 'layout', 'plan', 'attach', 'correlate', 'otel'] },
  { name: 'settings', files: /^settings\//, imports: ['contract'] },
  {
    name: 'agent',
    files: /^(agent|report)\.ts$/,
    imports: [
      ...['contract', 'guard', 'discovery', 'map-file', 'layout', 'plan', 'tables'],
      ...['attach', 'targets', 'decode', 'correlate', 'otel', 'report', 'semconv'],
    ],
  },
  {
    name: 'cli',
    files: /^cli\//,
    imports: [
      ...['contract', 'discovery', 'map-file', 'layout', 'plan', 'attach', 'otel', 'report', 'agent'],
      ...['settings', 'development'],
    ],
  },
];

/** The layer of a file, by its path below src/. */
export function layerOf(path: string): Layer | undefined {
  return layers.find((layer) => layer.files.test(path));
}
