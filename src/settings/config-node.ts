import { isMap, isScalar, isSeq, type Node } from 'yaml';
import type { Value } from './value.ts';

/** A value of the file that knows its position. Every method that finds something else than it wants throws E_CONFIG. */
export class ConfigNode {
  /** As in `probes[0].args.user`. Empty for the whole file. */
  readonly path: string;
  readonly #node: Node | null;
  readonly #refuse: (message: string, offset: number) => never;
  /** Of its key, or of the value itself if it has none. */
  readonly #keyOffset: number;

  constructor(node: unknown, path: string, refuse: (message: string, offset: number) => never, key?: Node) {
    this.#node = node as Node | null;
    this.path = path;
    this.#refuse = refuse;
    this.#keyOffset = (key ?? this.#node)?.range?.[0] ?? 0;
  }

  get isEmpty(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  get isMap(): boolean {
    return isMap(this.#node);
  }

  /** What is wrong here, with the path in front. */
  refuse(message: string): never {
    return this.#refuse(`${this.path || 'the file'} ${message}`, this.#node?.range?.[0] ?? this.#keyOffset);
  }

  /** The same for what is wrong with its key. */
  refuseKey(message: string): never {
    return this.#refuse(`${this.path} ${message}`, this.#keyOffset);
  }

  /** The values of a mapping that has only keys of `known`. */
  fields<K extends string>(known: readonly K[]): { readonly [P in K]?: ConfigNode } {
    return Object.fromEntries(
      this.entries().map(([key, value]) => {
        if (known.includes(key as K)) return [key, value];
        return value.refuseKey(`is none of ${known.join(', ')}`);
      }),
    ) as { readonly [P in K]?: ConfigNode };
  }

  entries(): [key: string, value: ConfigNode][] {
    const node = this.#node;
    if (!isMap(node)) return this.refuse('must be a mapping of keys to values');
    return node.items.map(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : '?';
      return [name, new ConfigNode(value, this.path ? `${this.path}.${name}` : name, this.#refuse, key as Node)];
    });
  }

  items(): ConfigNode[] {
    const node = this.#node;
    if (!isSeq(node)) return this.refuse('must be a list');
    return node.items.map((item, index) => new ConfigNode(item, `${this.path}[${index}]`, this.#refuse));
  }

  /** A text, a number or a boolean, as text. */
  scalar(): string {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (!['string', 'number', 'boolean'].includes(typeof value)) return this.refuse('must be a single value');
    return String(value);
  }

  parse<T>(value: Value<T>): T {
    const parsed = value.parse(this.scalar().trim());
    return parsed ?? this.refuse(`must be ${value.allowed}`);
  }

  text(maxChars = 255): string {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value !== 'string' || value.trim() === '') return this.refuse('must be a text');
    if (value.length > maxChars) return this.refuse(`is longer than ${maxChars} characters`);
    return value;
  }

  integer(min: number, max: number): number {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (!Number.isInteger(value) || Number(value) < min || Number(value) > max) {
      return this.refuse(`must be a whole number from ${min} to ${max}`);
    }
    return Number(value);
  }

  oneOf<const T extends string>(words: readonly T[]): T {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    return words.find((word) => word === value) ?? this.refuse(`must be one of ${words.join(', ')}`);
  }

  /** `250us`, `5ms`, `1.5s`, in nanoseconds. */
  durationNs(): number {
    const value = isScalar(this.#node) ? String(this.#node.value) : '';
    const match = /^(\d{1,9}(?:\.\d{1,9})?)(ns|us|ms|s)$/.exec(value);
    if (!match) return this.refuse('must be a duration such as 250us, 5ms or 1.5s');
    return Math.round(Number(match[1]) * { ns: 1, us: 1e3, ms: 1e6, s: 1e9 }[match[2] as 'ns' | 'us' | 'ms' | 's']);
  }
}
