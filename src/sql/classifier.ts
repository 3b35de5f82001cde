/**
 * From the bytes of a simple query or a Parse message to what each statement in them is. The usual case, a statement
 * seen before with other literals, is one pass of the lexer and one look into a map.
 */
import { ClassificationCache } from './classification-cache.ts';
import { draftStatement } from './draft.ts';
import { Lexer } from './lexer.ts';
import { draftOversized } from './oversized.ts';
import { loadSqlParser, parseStatements } from './parse.ts';
import type { ParseFailure } from './parse.ts';
import { refusals, refuse } from './refusals.ts';
import { skipBlanks, trimEnd } from './scan.ts';
import { maskBackslashStrings, maskTrailBytes } from './server-reading.ts';
import type { TrailBytes } from './server-reading.ts';
import type { Draft, FunctionCatalog, Statement } from './statement.ts';

/** Settings of the session that change how its text reads. */
export interface SessionReading {
  readonly standardConformingStrings?: boolean;
  readonly trailBytes?: TrailBytes;
}

export interface ClassifierLimits {
  /** Texts above are judged by their first word: parsing blocks everyone else for 20 ms per MB. */
  readonly parseBytesMax?: number;
  readonly cacheEntriesMax?: number;
  readonly cacheBytesMax?: number;
}

/** Longer texts whose literals matter (DDL, scripts) hardly ever come twice. */
const EXACT_KEY_BYTES_MAX = 2048;
const DEFAULT_READING: SessionReading = {};
const SCHEMA_KINDS: ReadonlySet<string> = new Set([
  'ddl',
  'create-table-as',
  'create-matview',
  'refresh-matview',
]);

interface Reading {
  readonly standardStrings: boolean;
  /** Bytes were blotted out that may be part of names. */
  readonly masked: boolean;
}

export class Classifier {
  readonly #parseBytesMax: number;
  readonly #lexer = new Lexer();
  /** By the text without its literals. */
  readonly #queries: ClassificationCache<readonly Statement[]>;
  /** By the text itself: BEGIN, SET, scripts. */
  readonly #exact: ClassificationCache<readonly Statement[]>;
  #catalog: FunctionCatalog | undefined;
  #catalogVersion = -1;

  private constructor(limits: ClassifierLimits) {
    this.#parseBytesMax = limits.parseBytesMax ?? 256 * 1024;
    const entriesMax = limits.cacheEntriesMax ?? 8192;
    const keyBytesMax = limits.cacheBytesMax ?? 16 * 1024 * 1024;
    this.#queries = new ClassificationCache({ entriesMax, keyBytesMax });
    this.#exact = new ClassificationCache({ entriesMax, keyBytesMax });
  }

  /** Loads the parser with the first one. */
  static async load(limits: ClassifierLimits = {}): Promise<Classifier> {
    await loadSqlParser();
    return new Classifier(limits);
  }

  /**
   * Never throws and never returns nothing: a text without a statement is one of kind `empty`, and a syntax error
   * anywhere makes the whole text one of kind `unparsable`, as the server treats it.
   */
  classify(sql: Buffer, catalog: FunctionCatalog, reading = DEFAULT_READING): readonly Statement[] {
    if (catalog !== this.#catalog || catalog.version !== this.#catalogVersion) this.#forget(catalog);
    const readable = reading.trailBytes === undefined ? sql : maskTrailBytes(sql, reading.trailBytes);
    const how: Reading = {
      standardStrings: reading.standardConformingStrings !== false,
      masked: readable !== sql && !readable.equals(sql),
    };
    const prefix = `${how.standardStrings ? 's' : '\\'}${how.masked ? 'm' : ''} `;
    const lexer = this.#lexer;
    if (lexer.read(readable, how.standardStrings)) {
      const key = how.masked ? prefix + lexer.key : lexer.key;
      const known = this.#queries.get(key);
      if (known !== undefined) return placed(known, lexer.start, lexer.end);
      const statements = this.#judge(readable, catalog, how);
      // Whether a text parses does depend on its literals.
      if (statements[0]?.kind !== 'unparsable') this.#queries.set(key, statements);
      return statements;
    }
    if (readable.length > EXACT_KEY_BYTES_MAX) return this.#judge(readable, catalog, how);
    const key = prefix + readable.toString('latin1');
    const known = this.#exact.get(key);
    if (known !== undefined) return known;
    const statements = this.#judge(readable, catalog, how);
    this.#exact.set(key, statements);
    return statements;
  }

  #forget(catalog: FunctionCatalog): void {
    this.#queries.clear();
    this.#exact.clear();
    this.#catalog = catalog;
    this.#catalogVersion = catalog.version;
  }

  #judge(sql: Buffer, catalog: FunctionCatalog, { standardStrings, masked }: Reading): readonly Statement[] {
    if (sql.length > this.#parseBytesMax) {
      return [whole(sql, draftOversized(sql, { standardStrings, totalBytes: sql.length }))];
    }
    const parsed = parseStatements(standardStrings ? sql : maskBackslashStrings(sql));
    if ('failure' in parsed) return [whole(sql, draftFailure(sql, parsed, standardStrings))];
    if (parsed.length === 0) return [whole(sql, { kind: 'empty', tag: '' })];
    try {
      return parsed.map(({ start, end, node, body, bytewise }) => {
        const draft = draftStatement(node, body, catalog);
        if (!bytewise || !namesBeyondAscii(draft)) return { start, end, ...draft };
        return {
          start,
          end,
          ...(masked ? refuse(draft.tag, refusals.maskedNames) : { ...draft, bytewise: true }),
        };
      });
    } catch (error) {
      // A tree too deep for our stack; the parser's own limit is usually met first.
      if (error instanceof RangeError) {
        return [whole(sql, draftFailure(sql, { failure: 'depth', message: error.message }, standardStrings))];
      }
      throw error;
    }
  }
}

/** Of schema statements, whose names are sent to the server once more. */
function namesBeyondAscii(draft: Draft): boolean {
  const { kind, createdTable, createdView, rewritesRows, extension, targets = [], sources = [] } = draft;
  if (!SCHEMA_KINDS.has(kind)) return false;
  const named = [createdTable, createdView, rewritesRows, ...targets, ...sources];
  const words = named.map((relation) => `${relation?.schema ?? ''}${relation?.name ?? ''}`);
  return /[^\0-\x7f]/.test(`${words.join('')}${extension ?? ''}`);
}

function draftFailure(sql: Buffer, failure: ParseFailure, standardStrings: boolean): Draft {
  if (failure.failure === 'depth') {
    const draft = draftOversized(sql, { standardStrings, totalBytes: sql.length });
    return draft.kind === 'too-large' ? { ...draft, refusal: refusals.tooDeep } : draft;
  }
  const { message, position } = failure;
  const refusal = { message, sqlState: '42601', ...(position !== undefined && { position }) };
  return { kind: 'unparsable', tag: '', because: 'it has a syntax error', refusal };
}

function whole(sql: Buffer, draft: Draft): Statement {
  const start = skipBlanks(sql, 0, sql.length);
  return { start, end: trimEnd(sql, start, sql.length), ...draft };
}

function placed(statements: readonly Statement[], start: number, end: number): readonly Statement[] {
  const statement = statements[0]!;
  return statement.start === start && statement.end === end ? statements : [{ ...statement, start, end }];
}
