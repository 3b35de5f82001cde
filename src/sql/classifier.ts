/**
 * From the bytes of a simple query or a Parse message to what each statement in them is. The usual case, a statement
 * seen before with other literals, is one pass of the lexer and one look into a map.
 */
import { ClassificationCache } from './classification-cache.ts';
import { draftStatement } from './draft.ts';
import { Lexer } from './lexer.ts';
import { draftOversized, tooLargeToExamine } from './oversized.ts';
import { loadSqlParser, parsedTokensMax, parseStatements } from './parse.ts';
import type { ParsedStatement, ParseFailure } from './parse.ts';
import { NoticingCatalog } from './noticing-catalog.ts';
import { refusals, refuse } from './refusals.ts';
import { skipBlanks, trimEnd } from './scan.ts';
import { maskBackslashStrings, maskTrailBytes } from './server-reading.ts';
import type { TrailBytes } from './server-reading.ts';
import { splitStatements } from './split.ts';
import type { Piece } from './split.ts';
import type { Draft, FunctionCatalog, Refusal, Statement } from './statement.ts';
import { weigh } from './weight.ts';

/** Settings of the session that change how its text reads. */
export interface SessionReading {
  readonly standardConformingStrings?: boolean;
  readonly trailBytes?: TrailBytes;
}

export interface ClassifierLimits {
  /** A statement of more is judged by its first word. */
  readonly parseBytesMax?: number;
  /** The same in words and signs, which is what parsing takes its time over: nobody else has a turn meanwhile. */
  readonly parseTokensMax?: number;
  readonly cacheEntriesMax?: number;
  readonly cacheBytesMax?: number;
  /** Where others have their turn meanwhile. */
  readonly examine?: Examine;
}

/** What a statement is that is too large for a turn. Undefined: it cannot be told. */
export type Examine = (
  text: Buffer,
  catalog: FunctionCatalog,
  reading: SessionReading,
) => Promise<readonly Statement[] | undefined>;

/** Longer texts whose literals matter (DDL, scripts) hardly ever come twice. */
const EXACT_KEY_BYTES_MAX = 2048;
/** Of a text of many statements, so much is examined in one go; a statement takes some time whatever its length. */
const TURN_BYTES = 32 * 1024;
const PIECE_BYTES = 256;
const DEFAULT_READING: SessionReading = {};
const SCHEMA_KINDS: ReadonlySet<string> = new Set([
  'ddl',
  'create-table-as',
  'create-matview',
  'refresh-matview',
]);

interface Reading {
  readonly standardStrings: boolean;
  /** Of a text that is one statement of the query family. */
  readonly key: string | undefined;
  /** Bytes were blotted out that may be part of names. */
  readonly masked: boolean;
}

export class Classifier {
  readonly #parseBytesMax: number;
  readonly #parseTokensMax: number;
  readonly #lexer = new Lexer();
  /** By the text without its literals. */
  readonly #queries: ClassificationCache<readonly Statement[]>;
  /** By the text itself: BEGIN, SET, scripts. */
  readonly #exact: ClassificationCache<readonly Statement[]>;
  readonly #examine: Examine | undefined;
  #catalog: FunctionCatalog | undefined;
  #catalogVersion = -1;

  private constructor(limits: ClassifierLimits) {
    this.#parseBytesMax = limits.parseBytesMax ?? 256 * 1024;
    this.#parseTokensMax = limits.parseTokensMax ?? parsedTokensMax;
    this.#examine = limits.examine;
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
    const how = {
      standardStrings: reading.standardConformingStrings !== false,
      masked: readable !== sql && !readable.equals(sql),
    };
    const prefix = `${how.standardStrings ? 's' : '\\'}${how.masked ? 'm' : ''} `;
    const lexer = this.#lexer;
    const long = readable.length > this.#parseTokensMax;
    if (lexer.read(readable, how.standardStrings, long)) {
      const key = how.masked ? prefix + lexer.key : lexer.key;
      const known = this.#queries.get(key);
      if (known !== undefined) return placed(known, lexer.start, lexer.end);
      const statements = this.#judge(readable, catalog, { ...how, key: lexer.key });
      if (holdsForKey(statements)) this.#queries.set(key, statements);
      return statements;
    }
    if (readable.length > EXACT_KEY_BYTES_MAX)
      return this.#judge(readable, catalog, { ...how, key: undefined });
    const key = prefix + readable.toString('latin1');
    const known = this.#exact.get(key);
    if (known !== undefined) return known;
    const statements = this.#judge(readable, catalog, { ...how, key: undefined });
    this.#exact.set(key, statements);
    return statements;
  }

  /**
   * As `classify`, and of any length. A text of many statements is examined one by one, and others have their `turn` in between; a
   * statement that is too large for a turn, by `examine`.
   */
  classifyInTurns(
    sql: Buffer,
    catalog: FunctionCatalog,
    reading: SessionReading,
    turn: () => Promise<void>,
  ): readonly Statement[] | Promise<readonly Statement[]> {
    // The usual text has no more tokens than bytes.
    if (sql.length <= this.#parseTokensMax) return this.classify(sql, catalog, reading);
    const script = this.#classifyScript(sql, catalog, reading, turn);
    return script ?? this.#classifyOrExamine(sql, catalog, reading);
  }

  /** Whether it may take `classifyInTurns` more than a turn. */
  mayBeLong(sql: Buffer): boolean {
    return sql.length > this.#parseTokensMax;
  }

  #classifyOrExamine(
    sql: Buffer,
    catalog: FunctionCatalog,
    reading: SessionReading,
  ): readonly Statement[] | Promise<readonly Statement[]> {
    const statements = this.classify(sql, catalog, reading);
    if (statements[0]?.kind !== 'too-large' || this.#examine === undefined) return statements;
    return this.#examine(sql, catalog, reading).then((examined) => examined ?? statements);
  }

  #classifyScript(
    sql: Buffer,
    catalog: FunctionCatalog,
    reading: SessionReading,
    turn: () => Promise<void>,
  ): Promise<readonly Statement[]> | undefined {
    const readable = reading.trailBytes === undefined ? sql : maskTrailBytes(sql, reading.trailBytes);
    const plain = reading.standardConformingStrings === false ? maskBackslashStrings(readable) : readable;
    if (weigh(plain, this.#parseTokensMax) === 'light' && sql.length <= this.#parseBytesMax) return undefined;
    const pieces = splitStatements(plain);
    const { value: first } = pieces.next();
    if (typeof first !== 'object' || first.end === plain.length) return undefined;
    const classify = (piece: Buffer): readonly Statement[] | Promise<readonly Statement[]> =>
      this.#classifyOrExamine(piece, catalog, reading);
    return this.#classifyPieces(sql, first, pieces, classify, turn);
  }

  async #classifyPieces(
    sql: Buffer,
    first: Piece,
    others: Generator<Piece, boolean>,
    classify: (piece: Buffer) => readonly Statement[] | Promise<readonly Statement[]>,
    turn: () => Promise<void>,
  ): Promise<readonly Statement[]> {
    const statements: Statement[] = [];
    let inTurn = 0;
    let next: IteratorResult<Piece, boolean> = { value: first, done: false };
    for (; next.done !== true; next = others.next()) {
      const { start, end } = next.value;
      for (const statement of await classify(sql.subarray(start, end))) {
        if (statement.kind === 'empty') continue;
        // The server looks at all of it before any of it runs.
        if (statement.kind === 'unparsable') return [whole(sql, statement)];
        statements.push({ ...statement, start: start + statement.start, end: start + statement.end });
      }
      inTurn += end - start + PIECE_BYTES;
      if (inTurn < TURN_BYTES) continue;
      inTurn = 0;
      await turn();
    }
    if (!next.value) return await classify(sql);
    return statements.length === 0 ? [whole(sql, { kind: 'empty', tag: '' })] : statements;
  }

  #forget(catalog: FunctionCatalog): void {
    this.#queries.clear();
    this.#exact.clear();
    this.#catalog = catalog;
    this.#catalogVersion = catalog.version;
  }

  #judge(sql: Buffer, catalog: FunctionCatalog, how: Reading): readonly Statement[] {
    const { standardStrings, key } = how;
    if (sql.length > this.#parseBytesMax)
      return [whole(sql, draftOversized(sql, { key, refusal: refusals.tooLarge(sql.length) }))];
    const parsed = this.#parse(sql, standardStrings, this.#parseTokensMax);
    if (!('failure' in parsed)) return this.#drafted(sql, parsed, catalog, how);
    const reduced = parsed.failure === 'tokens' ? this.#judgeReduced(sql, catalog, how) : undefined;
    return reduced ?? [whole(sql, draftFailure(sql, parsed, key))];
  }

  /** A query or change whose length is in its literals: without those that repeat it is the same to us. */
  #judgeReduced(sql: Buffer, catalog: FunctionCatalog, how: Reading): readonly Statement[] | undefined {
    if (how.key === undefined || weigh(Buffer.from(how.key, 'latin1'), this.#parseTokensMax) !== 'light')
      return undefined;
    const { start, end } = this.#lexer;
    const reduced = this.#lexer.reduced(sql);
    const parsed = this.#parse(reduced, how.standardStrings, this.#parseTokensMax);
    if ('failure' in parsed || parsed.length !== 1) return undefined;
    return placed(this.#drafted(reduced, parsed, catalog, how), start, end);
  }

  #parse(sql: Buffer, standardStrings: boolean, tokensMax: number): ReturnType<typeof parseStatements> {
    return parseStatements(standardStrings ? sql : maskBackslashStrings(sql), tokensMax);
  }

  #drafted(
    sql: Buffer,
    parsed: readonly ParsedStatement[],
    catalog: FunctionCatalog,
    { standardStrings, masked, key }: Reading,
  ): readonly Statement[] {
    if (parsed.length === 0) return [whole(sql, { kind: 'empty', tag: '' })];
    try {
      return parsed.map(({ start, end, node, body, bytewise }) => {
        const noticing = new NoticingCatalog(catalog);
        const judged = draftStatement(node, body, noticing);
        const draft: Draft =
          judged.kind === 'ddl' && noticing.asked ? { ...judged, judgedBySchema: true } : judged;
        if (draft.setsPassword && !standardStrings && sql.includes(0x5c))
          return { start, end, ...refuse(draft.tag, refusals.backslashPassword) };
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
        return [whole(sql, draftFailure(sql, { failure: 'depth', message: error.message }, key))];
      }
      throw error;
    }
  }
}

/** Whether a text parses does depend on its literals, and how long it is on its comments. */
function holdsForKey([first]: readonly Statement[]): boolean {
  return first?.kind !== 'unparsable' && first?.kind !== 'too-large' && first?.because !== tooLargeToExamine;
}

/** Of schema statements, whose names are sent to the server once more. */
function namesBeyondAscii(draft: Draft): boolean {
  const { kind, createdTable, createdView, rewritesRows, extension, targets = [], sources = [] } = draft;
  const { statistics = [] } = draft;
  if (!SCHEMA_KINDS.has(kind)) return false;
  const named = [createdTable, createdView, rewritesRows, ...targets, ...sources, ...statistics];
  const words = named.map((relation) => `${relation?.schema ?? ''}${relation?.name ?? ''}`);
  return /[^\0-\x7f]/.test(`${words.join('')}${extension ?? ''}`);
}

const refusalFor: Readonly<Record<'depth' | 'tokens', Refusal>> = {
  depth: refusals.tooDeep,
  tokens: refusals.tooManyTokens,
};

function draftFailure(sql: Buffer, failure: ParseFailure, key: string | undefined): Draft {
  if (failure.failure !== 'syntax') {
    return draftOversized(sql, { key, refusal: refusalFor[failure.failure] });
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
