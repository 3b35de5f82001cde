/** What a start-up message asks for besides a user: a database and settings. Pure; throws errors for the client. */

import {
  badOptions,
  forbiddenSetting,
  replicationRefused,
  unknownDatabase,
  unknownSetting,
} from './login-errors.ts';

/** Parameters that are the protocol's own, not settings. */
const PROTOCOL_PARAMETERS: ReadonlySet<string> = new Set(['user', 'database', 'replication', 'options']);
/**
 * Who the client is was decided by its login. The others would switch off what keeps members equal, or load code into
 * every session.
 */
const FORBIDDEN_SETTINGS: ReadonlySet<string> = new Set([
  'local_preload_libraries',
  'role',
  'session_authorization',
  'session_preload_libraries',
  'session_replication_role',
]);
const SETTING_NAME = /^[a-z_][\w$]*(\.[a-z_][\w$]*)*$/i;
/** What PostgreSQL takes for a false value. */
const FALSE = /^(f|fa|fal|fals|false|n|no|of|off|0)$/i;

export function checkReplication(value: string | undefined): void {
  if (value !== undefined && !FALSE.test(value)) throw replicationRefused();
}

/** No database named: the client means the one there is. */
export function checkDatabase(database: string | undefined, allowed: readonly string[]): void {
  if (database === undefined || database === '' || allowed.includes(database)) return;
  throw unknownDatabase(database, allowed[0] ?? '');
}

/** The settings in the order in which they take effect: those in `options` first, as on a server. Each name once. */
export function readSettings(parameters: ReadonlyMap<string, string>): Map<string, string> {
  const settings = new Map<string, readonly [name: string, value: string]>();
  const set = (name: string, value: string) => {
    const lowerCase = checkedName(name);
    settings.delete(lowerCase);
    settings.set(lowerCase, [name, value]);
  };
  for (const [name, value] of readOptions(parameters.get('options') ?? '')) set(name, value);
  for (const [name, value] of parameters) {
    if (!PROTOCOL_PARAMETERS.has(name) && !isProtocolOption(name)) set(name, value);
  }
  return new Map(settings.values());
}

/** Extensions of the protocol are asked for under such names. */
export function isProtocolOption(name: string): boolean {
  return name.startsWith('_pq_.');
}

function checkedName(name: string): string {
  const lowerCase = name.toLowerCase();
  if (!SETTING_NAME.test(name) || PROTOCOL_PARAMETERS.has(lowerCase) || isProtocolOption(lowerCase)) {
    throw unknownSetting(name);
  }
  if (FORBIDDEN_SETTINGS.has(lowerCase) || lowerCase.startsWith('lockstep.')) throw forbiddenSetting(name);
  return lowerCase;
}

/** The words of a server's command line: `-c name=value`, `-cname=value`, `--name=value`. */
function readOptions(options: string): [name: string, value: string][] {
  const settings: [string, string][] = [];
  const words = splitWords(options);
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] as string;
    if (word === '-c') {
      i += 1;
      settings.push(readAssignment(word, words[i] ?? ''));
    } else if (word.startsWith('-c')) {
      settings.push(readAssignment('-c', word.slice(2)));
    } else if (word.startsWith('--')) {
      settings.push(readAssignment('--', word.slice(2)));
    } else {
      throw badOptions(`invalid command-line argument for server process: ${word}`);
    }
  }
  return settings;
}

function readAssignment(option: string, text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at < 0)
    throw badOptions(option === '--' ? `--${text} requires a value` : `-c ${text} requires a value`);
  // On a command line `--work-mem` is as good as `--work_mem`.
  return [text.slice(0, at).replaceAll('-', '_'), text.slice(at + 1)];
}

/** Spaces separate words; a backslash takes the meaning from what follows it. */
function splitWords(text: string): string[] {
  const words = text.match(/(?:\\[^]|[^\\ \t-\r])+/g) ?? [];
  return words.map((word) => word.replace(/\\([^])/g, '$1'));
}
