/**
 * What the text of a function in SQL or plpgsql may use, word by word: names that it may mean, and what it says itself that
 * concerns the session. Nothing is parsed, so a word may be taken for more than it is, never for less.
 */
import { builtinRole } from './function-roles.ts';
import type { FunctionRole } from './function-roles.ts';
import type { Hidden } from './statement.ts';
import {
  blockCommentEnd,
  classOf,
  DOLLAR,
  dollarStringEnd,
  DOUBLE_QUOTE,
  HYPHEN,
  isOperator,
  LETTER,
  lineCommentEnd,
  QUOTE,
  quotedNameEnd,
  SEMICOLON,
  SLASH,
  stringEnd,
  wordEnd,
} from './scan.ts';

export interface Body extends Hidden {
  /** Names that stand before a parenthesis. */
  readonly calls: ReadonlySet<string>;
  /** All names. */
  readonly words: ReadonlySet<string>;
  /** Runs of operator characters. */
  readonly operators: ReadonlySet<string>;
  /** Settings that it reads, by names that are in the text. */
  readonly settings: ReadonlySet<string>;
}

interface Token {
  readonly kind: 'word' | 'name' | 'string' | 'operator' | 'sign';
  readonly text: string;
}

const OPERATOR = /[-+*/<>=~!@#%^&|`?]/;
const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));
/** Behind these a statement begins. */
const BEFORE_STATEMENT = words('begin then else loop atomic');
const SESSION_COMMANDS = words(
  'reset listen unlisten notify discard create drop alter prepare deallocate load declare show reindex cluster vacuum analyze import security reassign checkpoint',
);
const WRITE_COMMANDS = words('grant revoke lock refresh comment');
const DML = words('insert update delete merge truncate copy');
const SYSTEM_COLUMNS = words('ctid xmin xmax cmin cmax tableoid');
const OBJECT_IDS = words(
  'regclass regproc regprocedure regoper regoperator regtype regrole regnamespace regcollation',
);
/** They begin like catalogs. */
const NO_CATALOGS = words('pg_catalog pg_exception_detail pg_exception_hint pg_exception_context pg_context');
/** Equal on each connection of a session, because the session sees to it. */
const SAME_EVERYWHERE = words('current_user current_schema current_schemas session_user getpgusername');
/** They run what they are handed as text. */
const RUNS_TEXT = /^(?:query_to_xml|cursor_to_xml|ts_stat$|ts_rewrite$)/;
const SETTING_NAME = /^[a-z_][a-z0-9_$]*(?:\.[a-z_][a-z0-9_$]*)+$/i;
const CARRIED = words(
  'search_path role timezone datestyle intervalstyle extra_float_digits bytea_output row_security client_encoding',
);

/** A setting that is the same on each connection of a session, and told to those that lack it. */
export function isCarriedSetting(name: string): boolean {
  return SETTING_NAME.test(name) || CARRIED.has(name.toLowerCase());
}

/** Of more words and signs it is not asked what they may mean: nobody else has a turn meanwhile. */
const bodyTokensMax = 20_000;

export function readBody(
  source: string,
  language: 'sql' | 'plpgsql',
  tokensMax: number = bodyTokensMax,
): Body {
  const found = {
    calls: new Set<string>(),
    words: new Set<string>(),
    operators: new Set<string>(),
    settings: new Set<string>(),
  };
  const seeds: Hidden = {};
  const tokens = tokensOf(Buffer.from(source), seeds, tokensMax);
  for (const [at, token] of tokens.entries()) {
    const next = tokens[at + 1];
    const called = next?.kind === 'sign' && next.text === '(';
    if (token.kind === 'operator') found.operators.add(token.text);
    if (token.kind !== 'word' && token.kind !== 'name') continue;
    found.words.add(token.text);
    if (called) {
      found.calls.add(token.text);
      seedCall(token.text, tokens[at + 2], tokens[at + 3], found.settings, seeds);
    } else seedName(token.text, seeds);
    if (token.kind === 'word') seedCommand(token.text, tokens[at - 1], next, language, seeds);
  }
  return { ...found, ...seeds };
}

/** What is known of a built-in function by its name. */
export function hiddenInBuiltin(name: string, volatile: boolean): Hidden {
  if (SAME_EVERYWHERE.has(name)) return {};
  const role: FunctionRole = builtinRole(name) ?? (volatile ? 'uncaptured' : 'pure');
  const why = `${name}()`;
  if (name === 'setval') return { writes: why, sequences: why };
  if (name.startsWith('pg_advisory_unlock')) return { session: why };
  switch (role) {
    case 'config':
    case 'session-lock':
      return { session: why };
    case 'write':
      return RUNS_TEXT.test(name) ? { session: why, writes: why, sequences: why } : { writes: why };
    case 'large-object':
    case 'uncaptured':
      return { session: why, writes: why };
    case 'member':
    case 'transaction-lock':
      return { local: why };
    default:
      return {};
  }
}

function seedCall(
  name: string,
  argument: Token | undefined,
  behind: Token | undefined,
  settings: Set<string>,
  seeds: Hidden,
): void {
  if (name === 'current_setting' && argument?.kind === 'string' && /^[,)]$/.test(behind?.text ?? '')) {
    if (isCarriedSetting(argument.text)) {
      settings.add(argument.text.toLowerCase());
      return;
    }
  }
  mergeHidden(seeds, builtinRole(name) === undefined ? {} : hiddenInBuiltin(name, false));
}

function seedName(name: string, seeds: Hidden): void {
  if (name === 'pg_temp') mergeHidden(seeds, { session: 'temporary objects' });
  else if (SYSTEM_COLUMNS.has(name)) mergeHidden(seeds, { local: `system column ${name}` });
  else if (OBJECT_IDS.has(name)) mergeHidden(seeds, { local: `object ids (${name})` });
  else if (name === 'information_schema' || (name.startsWith('pg_') && !NO_CATALOGS.has(name)))
    mergeHidden(seeds, { local: `catalog ${name}` });
}

function seedCommand(
  word: string,
  before: Token | undefined,
  next: Token | undefined,
  language: string,
  seeds: Hidden,
): void {
  const starts =
    before === undefined ||
    before.text === ';' ||
    // Behind a label.
    (before.kind === 'operator' && before.text.endsWith('>>')) ||
    (before.kind === 'word' && BEFORE_STATEMENT.has(before.text));
  if (word === 'restart') mergeHidden(seeds, { sequences: 'RESTART' });
  if (DML.has(word)) mergeHidden(seeds, { writes: word.toUpperCase() });
  if (word === 'execute') mergeHidden(seeds, { session: 'EXECUTE', writes: 'EXECUTE', sequences: 'EXECUTE' });
  if (word === 'do' && !(next?.kind === 'word' && /^(?:nothing|update|instead|also)$/.test(next.text)))
    mergeHidden(seeds, { session: 'DO', writes: 'DO', sequences: 'DO' });
  if (!starts || (word === 'declare' && language === 'plpgsql')) return;
  // In UPDATE t SET a name stands before it.
  if (word === 'set') mergeHidden(seeds, { session: 'SET' });
  if (SESSION_COMMANDS.has(word))
    mergeHidden(seeds, { session: word.toUpperCase(), writes: word.toUpperCase() });
  if (WRITE_COMMANDS.has(word)) mergeHidden(seeds, { writes: word.toUpperCase() });
}

/** The first reason of each kind is kept. */
export function mergeHidden(into: Hidden, seeds: Hidden): void {
  into.session ??= seeds.session;
  into.writes ??= seeds.writes;
  into.sequences ??= seeds.sequences;
  into.local ??= seeds.local;
}

function tokensOf(source: Buffer, seeds: Hidden, tokensMax: number): readonly Token[] {
  const tokens: Token[] = [];
  const unreadable = (): Token[] => {
    const why = 'a text that cannot be read';
    mergeHidden(seeds, { session: why, writes: why, sequences: why });
    return tokens;
  };
  for (let at = 0; at < source.length; ) {
    if (tokens.length > tokensMax) {
      unreadable();
      return [];
    }
    const kind = classOf[source[at]!];
    let end = at + 1;
    if (kind === LETTER) {
      end = wordEnd(source, at);
      const prefix = source[end] === 0x27 && end === at + 1 && (source[at]! | 0x20) === 0x65;
      // U&"…" spells names another way.
      if (source[end] === 0x26 && (source[end + 1] === 0x22 || source[end + 1] === 0x27)) return unreadable();
      if (prefix) {
        const over = stringEnd(source, end, true);
        if (over === -1) return unreadable();
        // Its escapes could spell any name of a setting.
        tokens.push({ kind: 'sign', text: 'E' });
        end = over;
      } else tokens.push({ kind: 'word', text: fold(source.toString('utf8', at, end)) });
    } else if (kind === QUOTE) {
      end = stringEnd(source, at, false);
      // Read otherwise where standard_conforming_strings is off.
      if (end === -1 || source.subarray(at, end).includes("\\'")) return unreadable();
      const text = source.toString('utf8', at + 1, end - 1).replaceAll("''", "'");
      tokens.push({ kind: 'string', text });
    } else if (kind === DOUBLE_QUOTE) {
      end = quotedNameEnd(source, at);
      if (end === -1) return unreadable();
      tokens.push({ kind: 'name', text: source.toString('utf8', at + 1, end - 1).replaceAll('""', '"') });
    } else if (kind === DOLLAR) {
      const over = dollarStringEnd(source, at);
      if (over === -1) return unreadable();
      if (over > 0) tokens.push({ kind: 'sign', text: '$' });
      end = over || at + 1;
    } else if (kind === HYPHEN && source[at + 1] === 0x2d) end = lineCommentEnd(source, at);
    else if (kind === SLASH && source[at + 1] === 0x2a) {
      end = blockCommentEnd(source, at);
      if (end === -1) return unreadable();
    } else if (kind === SEMICOLON) tokens.push({ kind: 'sign', text: ';' });
    else {
      const from = at;
      end = from;
      while (end < source.length && isOperator[source[end]!] === 1 && !comment(source, end)) end += 1;
      end = Math.max(end, from + 1);
      const text = source.toString('latin1', from, end);
      if (OPERATOR.test(text)) tokens.push({ kind: 'operator', text });
      else if (/[^\s\d]/.test(text)) tokens.push({ kind: 'sign', text });
    }
    at = end;
  }
  return tokens;
}

function comment(source: Buffer, at: number): boolean {
  const [first, second] = [source[at], source[at + 1]];
  return (first === 0x2d && second === 0x2d) || (first === 0x2f && second === 0x2a);
}

/** As the server folds names that are not quoted. */
function fold(word: string): string {
  return word.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
