import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { UspanError } from '../contract/errors.ts';
import { ConfigNode } from './config-node.ts';
import { readProbe, type UserProbe } from './user-probe.ts';

/** What a configuration file says. */
export interface ConfigFile {
  readonly probes: readonly UserProbe[];
  /** Globs of definitions that are left out. */
  readonly without: readonly string[];
}

const maxBytes = 1024 * 1024;

/** @throws UspanError E_CONFIG that names line, column and key of what is wrong */
export function readConfigFile(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UspanError('E_CONFIG', 'the configuration file cannot be read', { on: path, cause });
  }
  if (text.length > maxBytes) throw new UspanError('E_CONFIG', `it has more than ${maxBytes} bytes`, { on: path });
  return parseConfig(text, path);
}

/** @param path for messages @throws UspanError E_CONFIG */
export function parseConfig(text: string, path: string): ConfigFile {
  const lines = new LineCounter();
  // Read node by node, so that an alias is nothing we know, and never multiplies.
  const document = parseDocument(text, { lineCounter: lines });
  const refuse = (message: string, offset: number): never => {
    const { line, col } = lines.linePos(offset);
    throw new UspanError('E_CONFIG', message, { on: `${path}:${line}:${col}`, fix: 'docs/usdt.md has an example' });
  };
  const [error] = document.errors;
  if (error) refuse(error.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, ''), error.pos[0]);
  const root = new ConfigNode(document.contents, '', refuse);
  if (root.isEmpty) return { probes: [], without: [] };
  const fields = root.fields(['probes', 'without']);
  return {
    probes: fields.probes?.items().map(readProbe) ?? [],
    without: fields.without?.items().map((item) => item.text()) ?? [],
  };
}
