/** What may stand where somebody types, for the shell. Made from the commands themselves. */
import type { Command, Option } from 'commander';
import { SYNC_STRATEGIES } from '../admin/index.ts';
import { EVENT_TYPES } from '../telemetry/index.ts';
import { visible } from './leaves.ts';

/** Of options whose value is one of a few words, by what the value is called. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  strategy: SYNC_STRATEGIES,
  type: EVENT_TYPES,
  level: ['debug', 'info', 'warn', 'error'],
};

/** What the last word may become. */
export type Suggestion =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** Ids of members, and these. */
  | { readonly kind: 'members'; readonly words: readonly string[] }
  | { readonly kind: 'files' };

/** `words` are those behind the program's name; the last one is being typed, and may be empty. */
export function suggest(root: Command, words: readonly string[]): Suggestion {
  const typed = words.at(-1) ?? '';
  let command = root;
  let place = 0;
  let waiting: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (waiting !== undefined) waiting = undefined;
    else if (word.startsWith('-')) waiting = word.includes('=') ? undefined : valued(command, word);
    else {
      const inner = command.commands.find((one) => one.name() === word);
      if (inner === undefined) place += 1;
      else command = inner;
    }
  }
  if (waiting !== undefined) return valuesOf(waiting);
  if (typed.startsWith('-')) return { kind: 'words', words: optionsOf(command).filter(begins(typed)) };
  const names = place === 0 ? visible(command).map((one) => one.name()) : [];
  const argument = command.registeredArguments[place];
  if (argument?.name() === 'id') return { kind: 'members', words: names };
  if (names.length > 0) return { kind: 'words', words: names.filter(begins(typed)) };
  if (argument === undefined) return { kind: 'words', words: [] };
  if (argument.argChoices !== undefined)
    return { kind: 'words', words: argument.argChoices.filter(begins(typed)) };
  return argument.name() === 'file' ? { kind: 'files' } : { kind: 'words', words: [] };
}

function valued(command: Command, word: string): Option | undefined {
  const option = command.options.find(({ long, short }) => long === word || short === word);
  return option?.required === true || option?.optional === true ? option : undefined;
}

function valuesOf(option: Option): Suggestion {
  if (option.argChoices !== undefined) return { kind: 'words', words: option.argChoices };
  const value = /<([a-z]+)/.exec(option.flags)?.[1];
  if (value === 'id') return { kind: 'members', words: [] };
  const words = VALUES[value ?? ''];
  if (words !== undefined) return { kind: 'words', words };
  return ['file', 'path', 'directory'].includes(value ?? '')
    ? { kind: 'files' }
    : { kind: 'words', words: [] };
}

function optionsOf(command: Command): readonly string[] {
  const own = command.options.flatMap(({ long, hidden }) =>
    long === undefined || long === null || hidden ? [] : [long],
  );
  return [...own, '--help'];
}

function begins(typed: string): (word: string) => boolean {
  return (word) => word.startsWith(typed);
}
