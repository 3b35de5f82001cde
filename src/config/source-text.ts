/** The YAML text of a configuration, and where in it each key stands. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import { messageOf } from '../base/index.ts';
import type { KeyPath } from './problem.ts';

/** Counted from 1, as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface SyntaxFault extends Position {
  readonly message: string;
}

export class SourceText {
  readonly value: unknown;
  readonly faults: readonly SyntaxFault[];
  readonly #document: Document;
  readonly #lines: LineCounter;

  constructor(text: string) {
    this.#lines = new LineCounter();
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const faults: SyntaxFault[] = this.#document.errors.map((error) => ({
      message: error.message,
      ...this.#position(error.pos[0]),
    }));
    let value: unknown;
    try {
      value = faults.length === 0 ? this.#document.toJS() : undefined;
    } catch (error) {
      // Too many aliases: the classic way to make a small file a huge one.
      faults.push({ message: messageOf(error), line: 1, column: 1 });
    }
    this.value = value;
    this.faults = faults;
  }

  /** Where the value at `path` stands, or the nearest thing around it that exists. */
  locateValue(path: KeyPath): Position {
    return this.#locate(path, (found) => found.value ?? found.key);
  }

  /** Where the last key of `path` stands. */
  locateKey(path: KeyPath): Position {
    return this.#locate(path, (found) => found.key ?? found.value);
  }

  #locate(path: KeyPath, choose: (found: Found) => Node | null): Position {
    let node: Node | null = this.#document.contents;
    let best: Node | null = null;
    for (const part of path) {
      const found = child(resolve(node, this.#document), part);
      if (found === undefined) break;
      best = choose(found) ?? best;
      node = found.value;
    }
    return this.#position(best?.range?.[0] ?? 0);
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

interface Found {
  readonly key: Node | null;
  readonly value: Node | null;
}

function child(node: Node | null, part: string | number): Found | undefined {
  if (isSeq<Node>(node) && typeof part === 'number') {
    const item = node.items[part];
    return item === undefined ? undefined : { key: null, value: item };
  }
  if (!isMap<Node, Node | null>(node)) return undefined;
  const pair = node.items.find(
    (item: Pair<Node, Node | null>) => isScalar(item.key) && String(item.key.value) === part,
  );
  return pair === undefined ? undefined : { key: pair.key, value: pair.value };
}

function resolve(node: Node | null, document: Document): Node | null {
  return isAlias(node) ? (node.resolve(document) ?? null) : node;
}
