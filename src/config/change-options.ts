/** Options changed in the configuration file of a running node: checked as a whole first, then put in place at once. */
import { parse } from 'yaml';
import { LockstepError } from '../base/index.ts';
import { ConfigFile } from './config-file.ts';
import { parseKey, withValues } from './edit-values.ts';
import { fileOnlyChange } from './file-only.ts';
import { checkConfigText, readFile } from './load-config.ts';
import type { Environment } from './load-config.ts';
import { ConfigError } from './problem.ts';
import { schemaAt } from './schema-tree.ts';

export interface OptionChange {
  /** `probe.intervalMs` or `members[1].weight`. */
  readonly path: string;
  /** As it would be written; null: the default. */
  readonly value: unknown;
}

/** `owner`: the user that runs the node, who may write the file as well. `operator`: who has a token, or is named under `admin.users`. */
type Authority = 'owner' | 'operator';

/** They say who the node is: a file that says something else is another node's. */
const FIXED = ['cluster', 'dialect', 'state', 'members'];

/** Writes the changed file. Resolves with how to put the old one back, for when the node cannot work by it. */
export async function changeOptions(
  path: string,
  changes: readonly OptionChange[],
  by: Authority,
  env: Environment = process.env,
): Promise<{ readonly undo: () => Promise<void> }> {
  for (const change of changes) checkPath(change.path);
  const file = await ConfigFile.read(path);
  // What is wrong with the file is said before what could be changed in it.
  const before = await checkConfigText(file.text, path, { env, readFile });
  const unreadable = before.problems.filter(({ severity, key }) => severity === 'error' && key === '');
  if (unreadable.length > 0) throw new ConfigError(path, unreadable);
  const edits = changes.map((change) => ({ path: parseKey(change.path), value: change.value }));
  const text = withValues(file.text, edits);
  if (typeof text !== 'string') {
    throw new LockstepError({
      code: 'config.not-editable',
      message: `${path} is not changed: ${text.fault}`,
      hint: 'Change it in the file itself; `lockstep reload` takes it over.',
    });
  }
  if (by === 'operator') checkAuthority(file.text, text, changes);
  const { problems } = await checkConfigText(text, path, { env, readFile });
  const wrong = problems.filter(({ severity }) => severity === 'error');
  const [first] = wrong;
  if (first !== undefined) {
    // The first that is about what was asked for; a file that was wrong already has others.
    const about = wrong.find(({ key }) => changes.some((change) => within(key, change.path))) ?? first;
    const { key, message, allowed } = about;
    throw new LockstepError({
      code: 'admin.invalid-value',
      message,
      field: changes.find((change) => within(key, change.path))?.path ?? key,
      ...(allowed !== undefined && { hint: `Allowed: ${allowed}` }),
    });
  }
  await file.replace(text);
  return {
    undo: async () => {
      const now = await ConfigFile.read(path);
      await now.replace(file.text);
    },
  };
}

/** Before anything that the new text names is read. */
function checkAuthority(before: string, after: string, changes: readonly OptionChange[]): void {
  const found = fileOnlyChange(parse(before), parse(after));
  if (found === undefined) return;
  const asked = changes.find(({ path }) => within(found.path, path) || within(path, found.path));
  throw new LockstepError({
    code: 'admin.file-only',
    message: `${asked?.path ?? found.path} is not changed: ${found.why}`,
    field: asked?.path ?? found.path,
    hint: 'Change it in the configuration file; `lockstep reload`, or a new start, takes it over.',
  });
}

function within(key: string, path: string): boolean {
  return key === path || key.startsWith(`${path}.`) || key.startsWith(`${path}[`);
}

function checkPath(path: string): void {
  const fault = FIXED.includes(path)
    ? `${path} is not changed while a node runs`
    : schemaAt(parseKey(path))?.option === undefined
      ? `there is no option ${path}`
      : undefined;
  if (fault === undefined) return;
  throw new LockstepError({
    code: 'admin.invalid-value',
    message: fault,
    field: path,
    hint: 'docs/reference/configuration.md lists what there is.',
  });
}
