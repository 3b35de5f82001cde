/** The questions of `init`, asked in a browser: the same faults, the same looks at the databases, the same file. */
import { createServer } from 'node:net';
import type { Candidate, PreflightView, SetUp, SetUpAnswer, SetUpInput, SetUpState } from '../admin/index.ts';
import { LockstepError, messageOf } from '../base/index.ts';
import { ConfigError, parseListenAddress } from '../config/index.ts';
import type { Config, ConfigDraft, SecretPlace } from '../config/index.ts';
import type { CliIo } from './cli-io.ts';
import {
  clientsFault,
  hasFailed,
  listenFault,
  nameFault,
  passwordFault,
  urlFault,
  variableIn,
} from './new-answers.ts';
import { NewConfig } from './new-config.ts';
import { findingsOf } from './show-check.ts';
import { explain } from './show-error.ts';
import { USUAL } from './usual-answers.ts';

const FIRST = 'db1';

export class BrowserSetUp implements SetUp {
  /** Resolves when the file is written. */
  readonly written: Promise<void>;
  readonly #io: CliIo;
  readonly #path: string;
  readonly #noteWritten: () => void;
  #noteTold: () => void = () => undefined;
  #state: Pick<SetUpState, 'state' | 'link' | 'error'> = { state: 'asking', link: null, error: null };
  #busy = false;

  constructor(io: CliIo, path: string) {
    this.#io = io;
    this.#path = path;
    let note: () => void = () => undefined;
    this.written = new Promise((resolve) => (note = resolve));
    this.#noteWritten = note;
  }

  /** How the start came out; resolves when the page has been told. */
  async end(how: { readonly link: string | undefined } | { readonly error: unknown }): Promise<void> {
    const told = new Promise<void>((resolve) => (this.#noteTold = resolve));
    if ('error' in how) {
      const { code, message, hint } = explain(how.error);
      const error = { code, message, ...(hint !== undefined && { hint }) };
      this.#state = { state: 'failed', link: null, error };
    } else this.#state = { state: 'running', link: how.link ?? null, error: null };
    await told;
  }

  state(): SetUpState {
    const { cluster, username, clients, listen, admin, state } = USUAL;
    const members = [{ id: FIRST, url: '' }];
    const defaults = { cluster, username, password: '', members, clients: [clients], listen, admin, state };
    return { ...this.#state, file: this.#path, defaults: { ...defaults, source: '' } };
  }

  told({ state }: SetUpState): void {
    if (state === 'running' || state === 'failed') this.#noteTold();
  }

  async look({ id = FIRST, url = '', username, password }: Candidate): Promise<PreflightView> {
    const { cluster, clients, listen, state } = USUAL;
    refuse('url', urlFault(url));
    const file = await NewConfig.at(this.#path, this.#io.env);
    // A file of this machine is not read for a page.
    refuse('password', typeof password === 'object' ? 'give the password itself' : undefined);
    const place = this.#secretPlace(file, typeof password === 'string' ? password : '');
    const config = await checked(file, {
      cluster,
      username: username ?? USUAL.username,
      ...(place !== undefined && { password: place }),
      members: [{ id, url }],
      clients: [clients],
      listen: { postgres: listen },
      state,
      notes: [],
    });
    const seen = await (await this.#io.loadProgram()).look(config);
    if (id !== FIRST) return seen;
    // What the first one holds is what the others get.
    const withoutContents = (one: PreflightView['members'][number]) => ({
      ...one,
      findings: one.findings.filter(({ name }) => name !== 'contents'),
    });
    return { ...seen, members: seen.members.map(withoutContents) };
  }

  async write(input: SetUpInput): Promise<SetUpAnswer> {
    if (this.#busy || this.#state.state !== 'asking') {
      throw new LockstepError({
        code: 'cli.set-up-under-way',
        message: 'this is being written, or has been, already',
        hint: 'load the page again: it says how far it is',
      });
    }
    this.#busy = true;
    try {
      const file = await NewConfig.at(this.#path, this.#io.env);
      const draft = this.#draftOf(file, input);
      const config = await checked(file, draft);
      const report = await (await this.#io.loadProgram()).check(config);
      if (hasFailed(report)) {
        const findings = report.members.flatMap((one) =>
          one.findings.map((finding) => ({ ...finding, name: `${one.id}: ${finding.name}` })),
        );
        return { written: [], findings: [...findings, ...report.cluster] };
      }
      await proveFree('listen', input.listen);
      if (draft.listen.admin !== undefined) await proveFree('admin', draft.listen.admin);
      const written = await file.write(draft);
      this.#state = { ...this.#state, state: 'starting' };
      this.#noteWritten();
      return { written, findings: findingsOf(report) };
    } finally {
      this.#busy = false;
    }
  }

  #draftOf(file: NewConfig, input: SetUpInput): ConfigDraft {
    const { members, listen } = input;
    const [cluster, username, admin, state, source] = (
      ['cluster', 'username', 'admin', 'state', 'source'] as const
    ).map((key) => input[key].trim()) as [string, string, string, string, string];
    const clients = [...new Set(input.clients.map((name) => name.trim()))].filter((name) => name !== '');
    refuse('cluster', nameFault(cluster));
    refuse('username', username === '' ? 'the user name is missing' : undefined);
    refuse('clients', clientsFault(clients, username, input.password !== ''));
    for (const { id, url } of members) refuse(id, urlFault(url.trim()));
    refuse('listen', listenFault(listen.trim()));
    refuse('admin', admin === '' ? undefined : listenFault(admin));
    refuse('state', state === '' ? 'the directory is missing' : undefined);
    const password = this.#secretPlace(file, input.password);
    return {
      cluster,
      username,
      ...(password !== undefined && { password }),
      members: members.map(({ id, url }) => ({ id, url: url.trim() })),
      clients,
      listen: { postgres: listen.trim(), ...(admin !== '' && { admin }) },
      state,
      // Of one alone there is nothing to choose.
      ...(source !== '' && members.length > 1 && { source }),
      notes: [],
    };
  }

  #secretPlace(file: NewConfig, typed: string): SecretPlace | undefined {
    refuse('password', passwordFault(typed, this.#io.env));
    const name = variableIn(typed);
    if (name !== undefined) return { env: name };
    return typed === '' ? undefined : file.keep('password', typed);
  }
}

function refuse(field: string, fault: string | undefined): void {
  if (fault !== undefined) throw new LockstepError({ code: 'admin.invalid-value', message: fault, field });
}

/** What is wrong is said beside its field, and not by a line of a file that is not there. */
async function checked(file: NewConfig, draft: ConfigDraft): Promise<Config> {
  try {
    return await file.check(draft);
  } catch (error) {
    const [first] = error instanceof ConfigError ? error.problems : [];
    if (first === undefined) throw error;
    const field = first.key.replace(/^listen\.postgres/, 'listen').replace(/^listen\.admin/, 'admin');
    throw new LockstepError({
      code: 'admin.invalid-value',
      message: first.message,
      field: field === '' ? 'file' : field,
    });
  }
}

/** Found out before the file is written: afterwards somebody would have to correct the file by hand. */
async function proveFree(field: string, text: string): Promise<void> {
  const address = parseListenAddress(text);
  if ('fault' in address || address.port === 0) return;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address.host, port: address.port, exclusive: true }, resolve);
    });
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    refuse(
      field,
      taken
        ? `another program listens on ${text}; choose another port`
        : `${text} cannot be listened on: ${messageOf(error)}`,
    );
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
