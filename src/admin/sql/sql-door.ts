/** Operator commands as SQL-like statements, with pgbouncer's words where it has them. What carries them is a front's business. */
import { LockstepError } from '../../base/index.ts';
import type { Caller, CommandRunner } from '../command-runner.ts';
import { COMMANDS } from '../commands/index.ts';
import type { JobStatus } from '../jobs.ts';
import type { CommandResult } from '../operations.ts';
import { DO_WORDS, ELSEWHERE, SHOW_WORDS } from './sql-words.ts';
import type { Cell, DoWord } from './sql-words.ts';

/** A statement that has been understood, and not yet been carried out. */
export interface SqlStatement {
  /** Undefined: it answers no table. */
  readonly columns: readonly string[] | undefined;
  readonly run: (caller: Caller) => Promise<SqlAnswer>;
}

export interface SqlAnswer {
  readonly rows: readonly (readonly (string | null)[])[];
  /** As `CommandComplete` says it. */
  readonly tag: string;
  /** One sentence beside it. */
  readonly notice?: string;
}

interface Word {
  /** As it is meant: in lower case unless it was quoted. */
  readonly text: string;
  readonly quoted: boolean;
}

/** What drivers send by themselves to any database. It has no meaning here, and does no harm. */
const HARMLESS = /^(set|reset|begin|start|commit|end|rollback|discard|deallocate)$/;

export class SqlDoor {
  readonly #runner: CommandRunner;
  readonly #version: string;

  constructor(runner: CommandRunner, version: string) {
    this.#runner = runner;
    this.#version = version;
  }

  /** The statements in a text, each without its semicolon; empty ones are left out. */
  split(text: string): readonly string[] {
    const pieces = text.match(/(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|[^;'"]|['"])+/g) ?? [];
    return pieces.filter((piece) => wordsOf(piece).length > 0);
  }

  /** Throws when it is none of the words, with those that there are. */
  prepare(text: string): SqlStatement {
    const words = wordsOf(text);
    const [first, second, ...rest] = words.map(({ text: word }) => word);
    if (first === 'show' && second !== undefined && rest.length === 0) return this.#show(second);
    if (first === 'select') return this.#select(text);
    if (first === 'run' && second !== undefined) return this.#runNamed(second, rest);
    if (first !== undefined && HARMLESS.test(first)) return silent(first.toUpperCase());
    for (const word of DO_WORDS) {
      const given = givenTo(word, words);
      if (given !== undefined) return this.#do(word, given);
    }
    const instead = ELSEWHERE.get(first ?? '');
    if (instead !== undefined)
      throw syntaxError(`${first?.toUpperCase()} is no word of this database`, instead);
    throw unknown(text);
  }

  #show(name: string): SqlStatement {
    if (name === 'help') return table(['statement', 'meaning'], helpRows());
    if (name === 'version') return table(['version'], [[this.#version]]);
    const word = SHOW_WORDS.find(({ names }) => names.includes(name.toUpperCase()));
    if (word === undefined) throw unknown(`SHOW ${name}`);
    return {
      columns: word.columns,
      run: async (caller) => {
        const answer = await this.#call(word.command, word.input ?? {}, caller);
        const rows = word.rows(answer as never).map((row) => row.map(cellText));
        return { rows, tag: 'SHOW' };
      },
    };
  }

  /** A pool asks so whether its connection still lives. */
  #select(text: string): SqlStatement {
    if (/^\s*select\s+1\s*$/i.test(text)) return table(['?column?'], [['1']], 'SELECT 1');
    if (/^\s*select\s+version\(\)\s*$/i.test(text)) return table(['version'], [[this.#version]], 'SELECT 1');
    throw unknown(text);
  }

  #do({ usage, command, input }: DoWord, given: readonly string[]): SqlStatement {
    const tag = wordsBefore(usage).join(' ').toUpperCase();
    return {
      columns: undefined,
      run: async (caller) => {
        const answer = await this.#call(command, input(given), caller);
        return { rows: [], tag, notice: noticeOf(answer) };
      },
    };
  }

  /** Any command of the list, with its input as JSON. */
  #runNamed(name: string, [json = '{}', ...more]: readonly string[]): SqlStatement {
    if (this.#runner.find(name) === undefined || more.length > 0) throw unknown(`RUN ${name}`);
    let input: unknown;
    try {
      input = JSON.parse(json);
    } catch {
      throw syntaxError(`the input of ${name} is not JSON`, `RUN ${name} '{ … }'`);
    }
    return {
      columns: ['result'],
      run: async (caller) => {
        const answer = await this.#call(name, input, caller);
        return { rows: [[JSON.stringify(answer)]], tag: 'RUN' };
      },
    };
  }

  async #call(name: string, input: unknown, caller: Caller): Promise<unknown> {
    const command = this.#runner.find(name);
    if (command === undefined) throw unknown(name);
    try {
      return await this.#runner.run(command, input, caller);
    } catch (error) {
      throw asSqlError(error);
    }
  }
}

function wordsOf(text: string): readonly Word[] {
  const found = text.matchAll(/--[^\n]*|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([^\s,;'"]+)/g);
  return [...found].flatMap(([all, identifier, literal, plain]): readonly Word[] => {
    if (identifier !== undefined) return [{ text: identifier.replaceAll('""', '"'), quoted: true }];
    if (literal !== undefined) return [{ text: literal.replaceAll("''", "'"), quoted: true }];
    return all.startsWith('--') || plain === undefined ? [] : [{ text: plain.toLowerCase(), quoted: false }];
  });
}

/** `CANCEL SYNC <member>`: cancel, sync */
function wordsBefore(usage: string): readonly string[] {
  return (/^[A-Z ]+/.exec(usage)?.[0] ?? '').trim().toLowerCase().split(' ');
}

/** What follows the words, as many as there have to be; undefined: it is another word. */
function givenTo({ usage }: DoWord, words: readonly Word[]): readonly string[] | undefined {
  const names = wordsBefore(usage);
  if (names.some((name, place) => words[place]?.quoted !== false || words[place].text !== name))
    return undefined;
  const given = words.slice(names.length).map(({ text }) => text);
  const least = (usage.match(/</g) ?? []).length;
  const most = usage.includes('…') ? Infinity : least + (usage.match(/\[/g) ?? []).length;
  if (given.length >= least && given.length <= most) return given;
  throw syntaxError(`${names.join(' ').toUpperCase()} is written differently`, usage);
}

function helpRows(): readonly (readonly string[])[] {
  return [
    ...SHOW_WORDS.map(({ names, help }) => [`SHOW ${names.join(' | ')}`, help]),
    ['SHOW HELP', 'this'],
    ['SHOW VERSION', 'the version of Lockstep'],
    ...DO_WORDS.map(({ usage, help }) => [usage, help]),
    [
      `RUN <command> ['{ … }']`,
      `any command with its input as JSON: ${COMMANDS.map(({ name }) => name).join(', ')}`,
    ],
  ];
}

function table(columns: readonly string[], rows: readonly (readonly string[])[], tag = 'SHOW'): SqlStatement {
  return { columns, run: () => Promise.resolve({ rows, tag }) };
}

function silent(tag: string): SqlStatement {
  return { columns: undefined, run: () => Promise.resolve({ rows: [], tag }) };
}

function noticeOf(answer: unknown): string {
  const { message, id, kind } = answer as Partial<CommandResult & JobStatus>;
  if (message !== undefined) return message;
  return `Job ${id} (${kind}) has begun; SHOW JOBS tells how far it is.`;
}

function cellText(cell: Cell): string | null {
  if (cell === null || cell === undefined) return null;
  if (typeof cell === 'boolean') return cell ? 't' : 'f';
  return String(cell);
}

function unknown(text: string): LockstepError {
  return syntaxError(
    `there is no statement ${JSON.stringify(text.trim().slice(0, 100))} in this database`,
    'This is where operators command Lockstep: SHOW HELP lists what there is. Your data is in the other database.',
  );
}

function syntaxError(message: string, hint: string): LockstepError {
  return new LockstepError({ code: 'admin.unknown-statement', message, hint, sqlState: '42601' });
}

/** In the words of the protocol: what a client may find out by itself, and whether anything has happened. */
function asSqlError(error: unknown): unknown {
  if (!(error instanceof LockstepError) || error.sqlState !== undefined) return error;
  const { code, message, hint, outcome, retryable, field } = error;
  const sqlState =
    code === 'admin.bad-input' || code === 'admin.invalid-value'
      ? '22023'
      : code === 'admin.not-allowed'
        ? '42501'
        : code.includes('unknown')
          ? '42704'
          : outcome === 'none'
            ? '55000'
            : 'XX000';
  return new LockstepError({
    code,
    message,
    outcome,
    retryable,
    sqlState,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    cause: error,
  });
}
