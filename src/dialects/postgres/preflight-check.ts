/** The shape of a preflight check: what it may ask, and what it answers. */

/** One thing that was looked at. */
export interface CheckItem {
  readonly name: string;
  readonly ok: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** The exact statement or setting that cures it; always there on a failure that SQL can cure. */
  readonly cure?: string;
}

export type Verdict = Omit<CheckItem, 'name'>;

export interface PreflightOptions {
  /** What this member is expected to be called, and the cluster that the node remembers. */
  readonly memberId?: string;
  readonly clusterId?: string;
  /** With which clients log in. */
  readonly clients?: readonly ClientRole[];
  /** It is not part of the cluster: what it holds is the first thing to know. */
  readonly candidate?: true;
}

export interface ClientRole {
  readonly name: string;
  /** The members keep its password, and the node asks them. */
  readonly kept: boolean;
}

/** Asks as if the search path were `pg_catalog`; nothing that the statement sets outlives it. */
export type Ask = (sql: string) => Promise<(string | null)[][]>;

/** As whom and where the checks run. */
export interface CheckContext extends PreflightOptions {
  readonly clients: readonly ClientRole[];
  readonly ask: Ask;
  readonly role: string;
  readonly database: string;
  readonly superuser: boolean;
  /** As `server_version_num` has it. */
  readonly version: number;
}

export interface Check {
  readonly name: string;
  readonly look: (context: CheckContext) => Promise<Verdict>;
}

export const ok = (found: string): Verdict => ({ ok: 'ok', found });

export const warn = (found: string, cure?: string): Verdict => ({
  ok: 'warn',
  found,
  ...(cure === undefined ? {} : { cure }),
});

export const fail = (found: string, cure: string): Verdict => ({ ok: 'fail', found, cure });

const namesMax = 5;

/** A few of many names, for people; a cure names them all. */
export function some(names: readonly (string | null | undefined)[]): string {
  const shown = names.slice(0, namesMax).join(', ');
  return names.length > namesMax ? `${shown} and ${names.length - namesMax} more` : shown;
}
