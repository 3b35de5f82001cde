/** A first configuration: by asking, or from options where nobody can be asked. */
import { LockstepError } from '../../base/index.ts';
import { configPath } from '../../config/index.ts';
import type { ConfigDraft, DraftMember, SecretPlace } from '../../config/index.ts';
import { Asker } from '../asker.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import {
  clientsFault,
  hasFailed,
  listenFault,
  nameFault,
  passwordFault,
  urlFault,
  variableIn,
} from '../new-answers.ts';
import { NewConfig } from '../new-config.ts';
import type { CheckReport } from '../program.ts';
import { showCheck } from '../show-check.ts';
import { USUAL } from '../usual-answers.ts';

export interface InitOptions extends CommonOptions {
  readonly cluster?: string;
  /** `url` or `id=url` each. */
  readonly member?: readonly string[];
  readonly username?: string;
  /** Roles of clients, whose passwords the members keep. */
  readonly client?: readonly string[];
  readonly passwordEnv?: string;
  readonly passwordFile?: string;
  readonly source?: string;
  readonly listen: string;
  /** Of the console; none without it. */
  readonly admin?: string;
  readonly state: string;
  /** `--no-check` makes it false. */
  readonly check: boolean;
}

export async function init(io: CliIo, options: InitOptions): Promise<ExitCode> {
  const file = await NewConfig.at(configPath(options.config, io.env), io.env);
  if (isComplete(options)) return await fromOptions(io, options, file);
  if (io.stdin.isTTY !== true || options.json === true) throw incomplete(options);
  return await byAsking(io, options, file);
}

type CompleteOptions = InitOptions &
  Required<Pick<InitOptions, 'cluster' | 'member' | 'username' | 'client'>>;

function isComplete(options: InitOptions): options is CompleteOptions {
  return missing(options).length === 0;
}

function missing({ cluster, member, username, client }: InitOptions): readonly string[] {
  return [
    ...(cluster === undefined ? ['--cluster'] : []),
    ...(username === undefined ? ['--username'] : []),
    ...((member ?? []).length === 0 ? ['--member'] : []),
    ...((client ?? []).length === 0 ? ['--client'] : []),
  ];
}

async function fromOptions(io: CliIo, options: CompleteOptions, file: NewConfig): Promise<ExitCode> {
  const { cluster, username, member, client, listen, admin, state, source } = options;
  const password = passwordPlace(options);
  const draft: ConfigDraft = {
    cluster,
    username,
    ...(password !== undefined && { password }),
    members: member.map(memberFrom),
    clients: client,
    listen: { postgres: listen, ...(admin !== undefined && { admin }) },
    state,
    ...(source !== undefined && { source }),
    notes: [],
  };
  const config = await file.check(draft);
  const report = options.check ? await (await io.loadProgram()).check(config) : undefined;
  if (report !== undefined && hasFailed(report)) {
    print(io, options, { written: [], report }, () =>
      [
        showCheck(report),
        '',
        'Nothing is written. Cure what is said above, or write it all the same with --no-check.',
      ].join('\n'),
    );
    return 'failed';
  }
  const written = await file.write(draft);
  print(io, options, { written, report: report ?? null }, () =>
    [...(report === undefined ? [] : [showCheck(report), '']), next(file, written)].join('\n'),
  );
  return 'ok';
}

function passwordPlace({ passwordEnv, passwordFile }: InitOptions): SecretPlace | undefined {
  if (passwordEnv !== undefined && passwordFile !== undefined)
    throw usage('--password-env and --password-file: a password is in one place');
  if (passwordEnv !== undefined) return { env: passwordEnv };
  return passwordFile === undefined ? undefined : { file: passwordFile };
}

function memberFrom(text: string, index: number): DraftMember {
  const match = /^([a-z0-9_-]{1,63})=(.*)$/.exec(text);
  const url = match?.[2] ?? text;
  const fault = urlFault(url);
  if (fault !== undefined) throw usage(`--member ${withoutPassword(text)}: ${fault}`);
  return { id: match?.[1] ?? `db${index + 1}`, url };
}

// ——— by asking

async function byAsking(io: CliIo, options: InitOptions, file: NewConfig): Promise<ExitCode> {
  const asker = new Asker(io);
  try {
    asker.say(`This makes ${file.path}. Ctrl-C ends it, and nothing is written then.\n`);
    const cluster =
      options.cluster ??
      (await asker.ask({
        text: 'Name of the cluster',
        fallback: USUAL.cluster,
        fault: nameFault,
      }));
    const username =
      options.username ??
      (await asker.ask({
        text: 'Role with which Lockstep works on the databases',
        fallback: USUAL.username,
      }));
    const password = passwordPlace(options) ?? (await askPassword(asker, io, file));
    const clients = options.client ?? (await askClients(asker, username, password !== undefined));
    const base = { cluster, username, ...(password !== undefined && { password }), clients, notes: [] };
    const draftOf = (
      members: readonly DraftMember[],
      listen: ConfigDraft['listen'],
      state: string,
    ): ConfigDraft => ({ ...base, members, listen, state });
    const members = await askMembers(asker, options, async (list) =>
      (await io.loadProgram()).check(
        await file.check(draftOf(list, { postgres: options.listen }, options.state)),
      ),
    );
    const listen = await asker.ask({
      text: 'Address on which clients find the node',
      fallback: options.listen,
      fault: listenFault,
    });
    const admin = await asker.ask({
      text: 'Address of the console for a browser, or none',
      fallback: options.admin ?? USUAL.admin,
      fault: (answer) => (answer === 'none' ? undefined : listenFault(answer)),
    });
    const state = await asker.ask({ text: 'Directory for what the node remembers', fallback: options.state });
    const source = members.length > 1 ? await askSource(asker, members) : '';
    const draft = {
      ...draftOf(members, { postgres: listen, ...(admin !== 'none' && { admin }) }, state),
      ...(source !== '' && { source }),
    };
    await file.check(draft);
    asker.say(next(file, await file.write(draft)));
    return 'ok';
  } finally {
    asker.close();
  }
}

async function askPassword(asker: Asker, io: CliIo, file: NewConfig): Promise<SecretPlace | undefined> {
  const typed = await asker.ask({
    text: 'Its password (kept in a file beside, for its owner only; $NAME takes it from the environment; empty for none)',
    hidden: true,
    fault: (answer) => passwordFault(answer, io.env),
  });
  const name = variableIn(typed);
  if (name !== undefined) return { env: name };
  return typed === '' ? undefined : file.keep('password', typed);
}

async function askClients(asker: Asker, username: string, hasPassword: boolean): Promise<readonly string[]> {
  const text = await asker.ask({
    text: 'Roles with which clients log in, with commas between; their passwords are those that the databases keep',
    fallback: USUAL.clients,
    fault: (answer) => clientsFault(namesIn(answer), username, hasPassword),
  });
  return namesIn(text);
}

function namesIn(text: string): readonly string[] {
  return [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
}

async function askMembers(
  asker: Asker,
  options: InitOptions,
  look: (members: readonly DraftMember[]) => Promise<CheckReport>,
): Promise<readonly DraftMember[]> {
  const members: DraftMember[] = (options.member ?? []).map(memberFrom);
  for (;;) {
    const place = members.length + 1;
    const url = await asker.ask({
      text:
        members.length === 0
          ? 'The first database (postgres://host:port/database)'
          : 'The next database, or empty when these are all',
      fault: (answer) => (answer === '' && members.length > 0 ? undefined : urlFault(answer)),
    });
    if (url === '') return members;
    const member = { id: `db${place}`, url };
    if (options.check) {
      const report = await look([...members, member]);
      asker.say(`\n${showCheck({ ...report, members: report.members.slice(-1) })}\n`);
      if (hasFailed(report) && !(await asker.confirm(`Keep ${member.id} all the same`, false))) continue;
    }
    members.push(member);
  }
}

function askSource(asker: Asker, members: readonly DraftMember[]): Promise<string> {
  const ids = members.map(({ id }) => id);
  return asker.ask({
    text: `Should they hold different data: whose count? ${ids.join(', ')}, or empty: the start is refused then`,
    fault: (answer) => (answer === '' || ids.includes(answer) ? undefined : `one of ${ids.join(', ')}`),
  });
}

// ——— words

export function next(file: NewConfig, written: readonly string[]): string {
  return [
    `Written: ${written.join(', ')}`,
    '',
    `  lockstep check --config "${file.path}"     what the members still lack`,
    `  lockstep serve --config "${file.path}"     runs the node, and says how to open its console`,
  ].join('\n');
}

function incomplete(options: InitOptions): LockstepError {
  return usage(
    `nobody can be asked here, and there is no ${missing(options).join(', no ')}`,
    'give the options, or run it at a terminal without --json',
  );
}

function usage(message: string, hint?: string): LockstepError {
  return new LockstepError({ code: 'cli.usage', message, ...(hint !== undefined && { hint }) });
}

function withoutPassword(text: string): string {
  return text.replace(/:[^:/@]+@/, ':[hidden]@');
}
