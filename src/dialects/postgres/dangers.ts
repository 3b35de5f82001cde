/** Settings under which a member may lose or falsify what it was given, or under which nobody would notice. */

import type { Danger } from '../contract.ts';

interface Rule {
  readonly name: string;
  readonly bad: 'on' | 'off' | 'replica';
  readonly text: string;
  /** The member must not take part. */
  readonly grave: boolean;
}

const rules: readonly Rule[] = [
  { name: 'fsync', bad: 'off', text: 'a crash of the machine can destroy the database', grave: false },
  {
    name: 'full_page_writes',
    bad: 'off',
    text: 'a crash of the machine can leave torn pages',
    grave: false,
  },
  {
    name: 'synchronous_commit',
    bad: 'off',
    text: 'a crash can take back commits that were confirmed',
    grave: false,
  },
  {
    name: 'lockstep.guard',
    bad: 'off',
    text: 'writes around Lockstep are not refused',
    grave: false,
  },
  { name: 'session_replication_role', bad: 'replica', text: 'changes are not captured', grave: true },
  { name: 'zero_damaged_pages', bad: 'on', text: 'damaged pages are read as empty ones', grave: true },
  {
    name: 'ignore_checksum_failure',
    bad: 'on',
    text: 'damaged pages are read as if they were sound',
    grave: true,
  },
];

/** As they may be written by ALTER ROLE and ALTER DATABASE. */
const spellings = {
  on: ['on', 'true', 'yes', '1'],
  off: ['off', 'false', 'no', '0'],
  replica: ['replica'],
} as const;

const wanted = rules
  .flatMap(({ name, bad }) => spellings[bad].map((value) => `('${name}','${value}')`))
  .join(',');

/** A subquery with one text, or NULL: what is bad of what sessions here get, and of what single roles get. */
export const dangersQuery = `SELECT json_agg(json_build_array(s.name, s.role))::text FROM (
   SELECT n AS name, NULL::text AS role, current_setting(n, true) AS value FROM unnest('{${rules.map(({ name }) => name).join(',')}}'::text[]) AS n
   UNION ALL
   SELECT split_part(c, '=', 1), CASE WHEN d.setrole <> 0 THEN pg_get_userbyid(d.setrole)::text END, lower(split_part(c, '=', 2))
     FROM pg_db_role_setting d CROSS JOIN unnest(d.setconfig) AS c
    WHERE d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND d.setrole <> current_user::regrole
  ) s WHERE (s.name, s.value) IN (${wanted})`;

export function readDangers(text: string | null | undefined): readonly Danger[] {
  if (text === null || text === undefined) return [];
  const found = new Map<string, Danger>();
  for (const [name, role] of JSON.parse(text) as readonly (readonly [string, string | null])[]) {
    const rule = rules.find((one) => one.name === name);
    if (rule === undefined) continue;
    const what = role === null ? name : `${name} of role ${role}`;
    // What one role gets by itself is that role's matter, and told.
    found.set(what, {
      what,
      text: `${what} is ${rule.bad}: ${rule.text}`,
      grave: rule.grave && role === null,
    });
  }
  return [...found.values()];
}
