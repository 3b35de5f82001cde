/**
 * The least that a role needs to work on a member, as statements for a superuser of the server. `check` names what of it is missing;
 * docs/guide/security.md shows it.
 */

import { quoteIdent } from '../../sql/index.ts';
import { register } from './register.ts';

/** Version 15 brought rights on single settings. */
const settingsGrantedFrom = 150_000;

/** The columns of `pg_authid` that say what the server keeps of passwords. */
export const verifierColumns = ['rolname', 'rolpassword', 'rolcanlogin', 'rolvaliduntil'];

export const grants = {
  superuser: (role: string): string => `ALTER ROLE ${quoteIdent(role)} SUPERUSER;`,
  /** A setting that only superusers set; `version` as `server_version_num` has it. */
  setting: (name: string, role: string, version: number): string =>
    version >= settingsGrantedFrom
      ? `GRANT SET ON PARAMETER ${name} TO ${quoteIdent(role)};`
      : grants.superuser(role),
  readSettings: (role: string): string => `GRANT pg_read_all_settings TO ${quoteIdent(role)};`,
  onDatabase: (privileges: readonly string[], database: string, role: string): string =>
    `GRANT ${privileges.join(', ')} ON DATABASE ${quoteIdent(database)} TO ${quoteIdent(role)};`,
  /** Only its owner makes everything in it anew: what `full` does. */
  database: (database: string, role: string): string =>
    `ALTER DATABASE ${quoteIdent(database)} OWNER TO ${quoteIdent(role)};`,
  /** With it come the rights on all that the owner has, and that statements are carried out as the owner. */
  owner: (owner: string, role: string): string => `GRANT ${quoteIdent(owner)} TO ${quoteIdent(role)};`,
  verifiers: (role: string): string =>
    `GRANT SELECT (${verifierColumns.join(', ')}) ON pg_catalog.pg_authid TO ${quoteIdent(role)};`,
} as const;

export interface LeastRights {
  readonly role: string;
  readonly database: string;
  /** Roles that own tables, or with which clients log in. */
  readonly owners: readonly string[];
  /** Clients log in whose passwords the members keep. */
  readonly verifiers: boolean;
  readonly version: number;
}

export function leastRights({ role, database, owners, verifiers, version }: LeastRights): readonly string[] {
  if (version < settingsGrantedFrom) return [grants.superuser(role)];
  return [
    grants.setting(register, role, version),
    grants.setting('session_replication_role', role, version),
    grants.readSettings(role),
    grants.onDatabase(['CREATE', 'TEMPORARY'], database, role),
    ...owners.map((owner) => grants.owner(owner, role)),
    ...(verifiers ? [grants.verifiers(role)] : []),
    grants.database(database, role),
  ];
}
