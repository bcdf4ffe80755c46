import { LineCounter, parseDocument } from 'yaml';
import { UspanError } from '../contract/errors.ts';
import { readSmallFile } from '../contract/read-small-file.ts';
import { ConfigNode } from './config-node.ts';
import { rows } from './table.ts';

const maxBytes = 1024 * 1024;

/** @throws UspanError E_CONFIG that names line, column and key of what is wrong */
export function readConfigFile(path: string): ReadonlyMap<string, ConfigNode> {
  let text: string;
  try {
    text = readSmallFile(path, maxBytes).toString('utf8');
  } catch (cause) {
    throw new UspanError('E_CONFIG', 'the configuration file cannot be read', { on: path, cause });
  }
  return parseConfig(text, path);
}

/** The keys of the file, by their path. @param path for messages @throws UspanError E_CONFIG */
export function parseConfig(text: string, path: string): ReadonlyMap<string, ConfigNode> {
  const lines = new LineCounter();
  // It reads node by node, so that an alias is an unknown value and never multiplies.
  const document = parseDocument(text, { lineCounter: lines });
  const refuse = (message: string, offset: number): never => {
    const { line, col } = lines.linePos(offset);
    throw new UspanError('E_CONFIG', message, { on: `${path}:${line}:${col}`, fix: 'docs/settings.md lists the keys' });
  };
  const [error] = document.errors;
  if (error) refuse(error.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, ''), error.pos[0]);
  const found = new Map<string, ConfigNode>();
  const root = new ConfigNode(document.contents, '', refuse);
  if (!root.isEmpty) collect(root, '', found);
  return found;
}

const paths = rows.flatMap(([, { yaml }]) => yaml ?? []);

/** Adds the keys of `node`, a mapping whose keys begin with `prefix`. */
function collect(node: ConfigNode, prefix: string, found: Map<string, ConfigNode>): void {
  const below = paths.filter((path) => path.startsWith(prefix));
  const names = [...new Set(below.map((path) => path.slice(prefix.length).split('.')[0]!))];
  for (const [name, value] of Object.entries(node.fields(names))) {
    const path = `${prefix}${name}`;
    if (paths.includes(path)) found.set(path, value!);
    else collect(value!, `${path}.`, found);
  }
}
