/** What one server must bring to be a member, looked at without changing anything, and the cure of whatever is missing. */

import { messageOf } from '../../base/index.ts';
import { MemberError } from '../contract.ts';
import type { InternalConnection } from './internal-connection.ts';
import { readTraits } from './member-traits.ts';
import type { MemberTraits } from './member-traits.ts';
import type { Ask, CheckContext, CheckItem, PreflightOptions, Verdict } from './preflight-check.ts';
import { ok } from './preflight-check.ts';
import { clientChecks } from './preflight-clients.ts';
import { contentChecks, readContents, readMarks, showContents } from './preflight-contents.ts';
import type { Contents, OwnMarks } from './preflight-contents.ts';
import { rightsChecks } from './preflight-rights.ts';
import { serverChecks } from './preflight-server.ts';

export interface PreflightReport {
  readonly items: readonly CheckItem[];
  /** For `comparePreflight`; absent when they could not be read. */
  readonly traits: MemberTraits | undefined;
  /** What it has been part of; undefined: nothing, or that cannot be read. */
  readonly marks: OwnMarks | undefined;
  /** Of a candidate. */
  readonly contents: Contents | undefined;
}

/**
 * The connection is to be opened as Lockstep logs in, with no settings of its own: those would be taken for the
 * server's. Rejects only when the connection is lost.
 */
export async function preflightMember(
  connection: InternalConnection,
  options: PreflightOptions = {},
): Promise<PreflightReport> {
  // Statements sent in one string are one transaction, which ends with it, also after an error.
  const ask: Ask = (sql) =>
    connection.rows(`SET LOCAL search_path = pg_catalog; SET LOCAL client_encoding = 'UTF8'; ${sql}`);
  const [[role, database, superuser, version] = []] = await ask(
    `SELECT current_user, current_database(), rolsuper, current_setting('server_version_num') FROM pg_roles WHERE rolname = current_user`,
  );
  const context: CheckContext = {
    ...options,
    clients: options.clients ?? [],
    ask,
    role: role ?? '',
    database: database ?? '',
    superuser: superuser === 't',
    version: Number(version),
  };
  const items: CheckItem[] = [];
  let marks: OwnMarks | undefined;
  let contents: Contents | undefined;
  if (options.candidate === true) {
    const seen = await guarded(connection, async () => {
      marks = await readMarks(ask).catch(ifAnswered(connection));
      contents = await readContents(ask);
      return showContents(contents, marks !== undefined && marks.clusterId === options.clusterId);
    });
    items.push({ name: 'contents', ...seen });
  }
  for (const { name, look } of [...serverChecks, ...rightsChecks, ...clientChecks, ...contentChecks]) {
    items.push({ name, ...(await guarded(connection, () => look(context))) });
  }
  let traits: MemberTraits | undefined;
  const readable = await guarded(connection, async () => {
    traits = await readTraits(context);
    return ok('');
  });
  if (traits === undefined) items.push({ ...readable, name: 'comparable settings' });
  return { items, traits, marks, contents };
}

/** The check of the control schema says what is wrong with it. */
function ifAnswered(connection: InternalConnection): (error: unknown) => undefined {
  return (error) => {
    if (connection.lost !== undefined || !(error instanceof MemberError)) throw error;
    return undefined;
  };
}

/** One check that cannot be made is a finding, and keeps the others from nothing. */
async function guarded(connection: InternalConnection, look: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await look();
  } catch (error) {
    if (connection.lost !== undefined || !(error instanceof MemberError)) throw error;
    return { ok: 'fail', found: `could not be looked at: ${messageOf(error)}` };
  }
}
