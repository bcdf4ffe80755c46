/** Real programs that contain otelhttp, as their projects release them: each is built by `go install` with its own pinned modules. */
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { goReleases } from './go-fixture.ts';
import type { RawRequest } from './http.ts';
import { runProcess } from './process.ts';

/** A request with the status that the program answers. */
export type Ask = RawRequest & {
  readonly target: string;
  readonly status: number;
  /** The pattern of a ServeMux that it matches. */
  readonly route?: string;
  /** The program asks itself, on its second port, for this path, hands on all headers, and answers what it gets. */
  readonly behind?: { readonly path: string; readonly route?: string };
};

export interface RealProgram {
  /** Of its command, and so the last part of its package's path. */
  readonly name: string;
  readonly package: string;
  readonly version: string;
  /** Its configuration file. `data` is an empty directory. */
  readonly config: (ports: readonly number[], data: string) => string;
  readonly args: (port: number, config: string, data: string) => readonly string[];
  readonly asks: readonly Ask[];
}

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };

export const realPrograms: readonly RealProgram[] = [
  {
    name: 'caddy',
    package: 'github.com/caddyserver/caddy/v2/cmd/caddy',
    version: 'v2.11.9',
    config: ([front, back], data) => `{
  admin off
  auto_https off
  storage file_system ${data}
}
http://:${front} {
  bind 127.0.0.1
  handle /ok {
    respond "hello"
  }
  handle /teapot {
    respond 418
  }
  redir /moved /ok
  handle_path /api/* {
    reverse_proxy 127.0.0.1:${back}
  }
  handle {
    root * ${data}/..
    file_server
  }
}
http://:${back} {
  bind 127.0.0.1
  respond /failing 503
  respond "from behind"
}
`,
    args: (_port, config) => ['run', '--adapter', 'caddyfile', '--config', config],
    asks: [
      { target: '/ok?of=query', status: 200 },
      { target: '/teapot', status: 418 },
      { target: '/moved', status: 302 },
      { target: '/caddy', headers: { Range: 'bytes=0-99999' }, status: 206 },
      { method: 'HEAD', target: '/caddy', status: 200 },
      { target: '/no-such-file', status: 404 },
      { target: '/api/some', behind: { path: '/some' }, status: 200 },
      { target: '/api/failing', behind: { path: '/failing' }, status: 503 },
      { method: 'POST', target: '/api/some', behind: { path: '/some' }, body: 'a body', status: 200 },
    ],
  },
  {
    name: 'prometheus',
    package: 'github.com/prometheus/prometheus/cmd/prometheus',
    version: 'v0.316.0',
    config: () => 'global: {scrape_interval: 1h}\n',
    args: (port, config, data) => [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    asks: [
      { target: '/-/healthy', status: 200 },
      { target: '/metrics', status: 200 },
      { target: '/api/v1/query?query=vector(1)', status: 200 },
      { target: '/api/v1/query?query=', status: 400 },
      { method: 'POST', target: '/api/v1/query', headers: form, body: 'query=up', status: 200 },
      { target: '/api/v1/labels', status: 200 },
      { target: '/no-such-page', status: 404 },
    ],
  },
  {
    name: 'oauth2-proxy',
    package: 'github.com/oauth2-proxy/oauth2-proxy/v7',
    version: 'v7.15.6',
    // Behind it is what it serves itself on the second port.
    config: ([front, back]) => `http_address = "127.0.0.1:${front}"
metrics_address = "127.0.0.1:${back}"
upstreams = ["http://127.0.0.1:${back}/"]
skip_auth_routes = ["^/metrics", "^/open"]
client_id = "nobody"
client_secret = "nothing"
cookie_secret = "0123456789abcdef"
email_domains = ["*"]
request_logging = false
`,
    args: (_port, config) => [`--config=${config}`],
    asks: [
      { target: '/ping', status: 200 },
      { target: '/oauth2/auth', status: 401 },
      { target: '/oauth2/sign_in?rd=%2F', status: 200 },
      { target: '/closed', status: 403 },
      { target: '/metrics', behind: { path: '/metrics' }, status: 200 },
      { method: 'POST', target: '/open', behind: { path: '/open' }, body: 'a body', status: 200 },
    ],
  },
  {
    name: 'registry',
    package: 'github.com/distribution/distribution/v3/cmd/registry',
    version: 'v3.1.1',
    config: ([port], data) => `version: 0.1
log: {accesslog: {disabled: true}, level: error}
storage: {filesystem: {rootdirectory: ${data}}}
http: {addr: 127.0.0.1:${port}}
`,
    args: (_port, config) => ['serve', config],
    asks: [
      { target: '/v2/', status: 200 },
      { target: '/v2/_catalog?n=5', status: 200 },
      { target: '/v2/some/name/manifests/latest', status: 404 },
      { method: 'HEAD', target: '/v2/some/name/manifests/latest', status: 404 },
      { method: 'POST', target: '/v2/some/name/blobs/uploads/', body: '', status: 202 },
      { method: 'PUT', target: '/v2/some/name/manifests/latest', body: '{', status: 400 },
      { target: '/no-such-page', status: 404 },
    ],
  },
];

/** Builds one, once for each version. Minutes: some have a thousand packages. Gives the path of the program. */
export async function buildRealProgram({ name, package: of, version }: RealProgram): Promise<string> {
  const go = goReleases['1.26'];
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'uspan-test');
  const directory = join(cache, `${name}-${version}-go${go}`);
  const path = join(directory, name);
  if (await stat(path).catch(() => undefined)) return path;

  const unfinished = `${directory}.${process.pid}`;
  await mkdir(directory, { recursive: true });
  const args = ['install', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', `${of}@${version}`];
  const { code, stderr } = await runProcess('nice', ['-n', '19', 'go', ...args], {
    env: { GOTOOLCHAIN: `go${go}`, GOBIN: unfinished, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' },
    deadlineMs: buildDeadlineMs,
  });
  if (code !== 0) throw new Error(`go install ${of}@${version} failed: ${stderr.slice(-4000)}`);
  await rename(join(unfinished, name), path);
  await rm(unfinished, { recursive: true });
  return path;
}

/** Prometheus, cold, on two cores that others use too. */
export const buildDeadlineMs = 3_600_000;

/** Writes its configuration. Gives its arguments. */
export async function configure(
  program: RealProgram,
  directory: string,
  ports: readonly number[],
): Promise<readonly string[]> {
  const [config, data] = [join(directory, 'config'), join(directory, 'data')];
  await mkdir(data);
  await writeFile(config, program.config(ports, data));
  return program.args(ports[0]!, config, data);
}
