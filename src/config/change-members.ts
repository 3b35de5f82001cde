/**
 * A member more or less in the configuration file of a running node. The file is the operator's: it is changed only where
 * it agrees with what the node runs with, and a file that says already what is wanted needs no change. So a file that
 * the node cannot write is changed by whoever manages it, and the same command goes on from there.
 */
import { LockstepError } from '../base/index.ts';
import { memberUrl, parseMemberUrl } from './address.ts';
import { ConfigFile } from './config-file.ts';
import type { Config, MemberConfig } from './config.ts';
import { memberEntry, showMember, withMember, withoutMember } from './edit-members.ts';
import type { EditFault, MemberEntry } from './edit-members.ts';
import { checkConfigText, readFile } from './load-config.ts';
import type { Environment } from './load-config.ts';
import { ConfigError } from './problem.ts';

/** What the node runs with: its configuration as read at the start, with the members that it has now. */
export type RunningConfig = Pick<Config, 'file' | 'cluster'> & {
  readonly members: readonly Pick<MemberConfig, 'id' | 'url'>[];
};

export interface FileChange {
  /** Resolves when the file says so and would survive the loss of power. */
  readonly apply: () => Promise<void>;
}

/** Nothing is changed until `apply`. `member` is as the node would read it from the file. */
export async function planMember(
  running: RunningConfig,
  entry: MemberEntry,
  env: Environment = process.env,
): Promise<FileChange & { readonly member: MemberConfig }> {
  const { file, members } = await readAgreed(running, entry.id, env);
  const there = members.find(({ id }) => id === entry.id);
  if (there !== undefined) {
    if (there.url === canonical(entry.url)) return { member: there, apply: nothing };
    throw new LockstepError({
      code: 'config.member-differs',
      message: `${running.file} has a member ${entry.id} already, at ${there.url}`,
      hint: 'Repeat the command with that url, or take the member out of the file.',
    });
  }
  const hint = `Put it under \`members\` yourself, and repeat the command: the node goes on from there.\n${showMember(entry)}`;
  const text = edited(running.file, withMember(file.text, entry), hint);
  const { config, problems } = await checkConfigText(text, running.file, { env, readFile });
  const member = config?.members.find(({ id }) => id === entry.id);
  if (member === undefined) {
    throw new ConfigError(
      running.file,
      problems.filter(({ severity }) => severity === 'error'),
    );
  }
  return { member, apply: await replacing(file, text, hint) };
}

/** Nothing is changed until `apply`. */
export async function planWithoutMember(
  running: RunningConfig,
  id: string,
  env: Environment = process.env,
): Promise<FileChange> {
  const { file, members } = await readAgreed(running, id, env);
  if (!members.some((member) => member.id === id)) return { apply: nothing };
  const hint = `Take ${id} out of \`members\` yourself, and repeat the command: the node goes on from there.`;
  const text = edited(running.file, withoutMember(file.text, id), hint);
  return { apply: await replacing(file, text, hint) };
}

/** As they stood in `before`. Resolves with those that were put back; whoever is in the file is left as he is there. */
export async function restoreMembers(
  path: string,
  {
    ids,
    before,
    env = process.env,
  }: { readonly ids: readonly string[]; readonly before: string; readonly env?: Environment },
): Promise<readonly string[]> {
  const file = await ConfigFile.read(path);
  let text = file.text;
  const lost = ids.filter((id) => memberEntry(text, id) === undefined);
  for (const id of lost) {
    const entry = memberEntry(before, id);
    const hint = 'Put it under `members` yourself.';
    if (entry === undefined) throw notEditable(path, `how ${id} stood there is not known`, hint);
    text = edited(path, withMember(text, entry), `${hint}\n${showMember(entry)}`);
  }
  const { config, problems } = await checkConfigText(text, path, { env, readFile });
  if (config === undefined) {
    throw new ConfigError(
      path,
      problems.filter(({ severity }) => severity === 'error'),
    );
  }
  if (lost.length > 0) await file.replace(text);
  return lost;
}

const nothing = (): Promise<void> => Promise.resolve();

/** The file as it is now, provided that it names the members that the node has; of `id` it may say either. */
async function readAgreed(
  running: RunningConfig,
  id: string,
  env: Environment,
): Promise<{ readonly file: ConfigFile; readonly members: readonly MemberConfig[] }> {
  const file = await ConfigFile.read(running.file);
  const { config, problems } = await checkConfigText(file.text, running.file, { env, readFile });
  if (config === undefined) {
    throw new ConfigError(
      running.file,
      problems.filter(({ severity }) => severity === 'error'),
    );
  }
  const own = new Map(running.members.map((member) => [member.id, member.url]));
  const written = new Map(config.members.map((member) => [member.id, member.url]));
  const odd = [
    ...(config.cluster === running.cluster ? [] : [`it is for the cluster ${config.cluster}`]),
    ...[...own].flatMap(([other, url]) => {
      if (other === id || written.get(other) === url) return [];
      const found = written.get(other);
      return [found === undefined ? `it lacks ${other}` : `its ${other} is at ${found}`];
    }),
    ...[...written.keys()].flatMap((other) =>
      other === id || own.has(other) ? [] : [`it has ${other}, which the node does not`],
    ),
  ];
  if (odd.length === 0) return { file, members: config.members };
  throw new LockstepError({
    code: 'config.edited-members',
    message: `${running.file} is not what the node runs with: ${odd.join('; ')}`,
    hint: 'Put the file back, or start the node again with it; then repeat the command.',
  });
}

function edited(path: string, text: string | EditFault, hint: string): string {
  if (typeof text === 'string') return text;
  throw notEditable(path, text.fault, hint);
}

function notEditable(path: string, fault: string, hint: string): LockstepError {
  return new LockstepError({
    code: 'config.not-editable',
    message: `${path} is not changed: ${fault}`,
    hint,
  });
}

/** Asked before anything else is done, so that a file that cannot be changed stops the whole. */
async function replacing(file: ConfigFile, text: string, hint: string): Promise<() => Promise<void>> {
  try {
    await file.proveWritable();
  } catch (error) {
    throw withHint(error, hint);
  }
  return () =>
    file.replace(text).catch((error: unknown) => {
      throw withHint(error, hint);
    });
}

function withHint(error: unknown, hint: string): unknown {
  if (!(error instanceof LockstepError) || error.code !== 'config.not-writable') return error;
  const { code, message } = error;
  return new LockstepError({ code, message, hint, cause: error });
}

function canonical(url: string): string | undefined {
  const address = parseMemberUrl(url);
  return 'fault' in address ? undefined : memberUrl(address);
}
