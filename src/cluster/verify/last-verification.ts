/** What is remembered of a verification, over restarts. Plain data, and no more of it than somebody reads. */

import type { Contest } from './contest.ts';
import type { Outcome, VerifiedTable } from './findings.ts';
import { sentences } from './judge.ts';
import type { Verified } from './verification-run.ts';

export interface LastVerification {
  /** ISO 8601: when it ended. */
  readonly at: string;
  readonly outcome: Outcome;
  readonly reason: string | null;
  readonly csn: number | null;
  readonly members: readonly string[];
  readonly heldMs: number;
  readonly tookMs: number;
  /** One sentence for each difference. */
  readonly findings: readonly { readonly member: string; readonly text: string }[];
  readonly tables: readonly VerifiedTable[];
}

/** What was found out about one table when it was last looked at. */
export interface TableVerdict {
  readonly at: string;
  readonly csn: number;
  readonly outcome: Outcome;
}

/** As it is kept. */
export interface VerificationNote {
  readonly format: typeof noteFormat;
  readonly last: LastVerification;
  readonly contest?: Contest;
  /** When everything was verified last, in milliseconds since 1970. */
  readonly fullMs: number;
  readonly tables: readonly (TableVerdict & { readonly table: string })[];
}

/** Raised with every change of what is kept; another one is not read. */
const noteFormat = 1;

const findingsMax = 200;
const findingLengthMax = 1000;
const tablesMax = 10_000;
/** Of all rows that are shown side by side. */
const rowsBytesMax = 1 << 20;

export function summary(
  verified: Verified,
  end: { readonly at: string; readonly tookMs: number },
): LastVerification {
  const { outcome, reason, csn, members, heldMs, differences, contested, settled } = verified;
  const findings = members.flatMap((member) => {
    const lines = [
      ...(settled.get(member) ?? []),
      ...[differences.get(member), contested.get(member)].flatMap((one) =>
        one === undefined ? [] : sentences(one),
      ),
    ];
    return lines.map((text) => ({ member, text: text.slice(0, findingLengthMax) }));
  });
  return {
    ...end,
    outcome,
    reason: reason ?? null,
    csn: csn ?? null,
    members,
    heldMs: Math.round(heldMs),
    findings: findings.slice(0, findingsMax),
    tables: withinBytes(oddFirst(verified.tables).slice(0, tablesMax)),
  };
}

/** Where there are more than are kept, it is not those that are left out. */
function oddFirst(tables: readonly VerifiedTable[]): readonly VerifiedTable[] {
  const isOdd = ({ outcome }: VerifiedTable): boolean => outcome !== 'equal';
  return [...tables.filter(isOdd), ...tables.filter((table) => !isOdd(table))];
}

function withinBytes(tables: readonly VerifiedTable[]): readonly VerifiedTable[] {
  let bytes = 0;
  return tables.map((table) => {
    if (table.rowsApart.length === 0) return table;
    const rows = table.rowsApart.filter((row) => (bytes += JSON.stringify(row).length) <= rowsBytesMax);
    return { ...table, rowsApart: rows };
  });
}

export function noteOf(
  last: LastVerification,
  tables: ReadonlyMap<string, TableVerdict>,
  { fullMs, contest }: { readonly fullMs: number; readonly contest: Contest | undefined },
): VerificationNote {
  const all = [...tables].map(([table, verdict]) => ({ table, ...verdict }));
  const tail = all.slice(-tablesMax);
  return { format: noteFormat, last, fullMs, tables: tail, ...(contest !== undefined && { contest }) };
}

/** Undefined: it is not one that can be read. Its content was proven whole where it was read. */
export function readNote(note: unknown): VerificationNote | undefined {
  const known = typeof note === 'object' && note !== null && 'format' in note && note.format === noteFormat;
  return known ? (note as VerificationNote) : undefined;
}
