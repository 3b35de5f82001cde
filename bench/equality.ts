/** After all rounds: do the databases behind each system hold the same rows? */

import { compareMembers, describeDifferences } from '../src/testing/index.ts';
import type { Stage } from './stage.ts';
import type { System } from './systems/index.ts';

export interface EqualityResult {
  readonly system: string;
  readonly members: number;
  readonly transactions: number;
  readonly differences: number;
  /** The first of them. */
  readonly sample: string;
}

/** Lockstep's own schema differs by design: it says in each member which member it is. */
const own = /^lockstep(\.|$)/;

export async function checkEquality(
  stage: Stage,
  systems: readonly System[],
): Promise<readonly EqualityResult[]> {
  const results: EqualityResult[] = [];
  for (const { name, databases } of systems) {
    if (databases.length < 2 || name.startsWith('atonce')) continue;
    const members = Object.fromEntries(
      databases.map((one, at) => [
        `db${at + 1}`,
        (sql: string) => stage.serverAt(one).query(sql, undefined, one.database),
      ]),
    );
    const differences = await compareMembers(members, { ignore: own, rowsMax: 10 });
    const [first] = databases;
    const counted = first
      ? await stage.serverAt(first).query('select count(*) from pgbench_history', undefined, first.database)
      : [];
    results.push({
      system: name,
      members: databases.length,
      transactions: Number(counted[0]?.[0] ?? 0),
      differences: differences.length,
      sample: describeDifferences(differences.slice(0, 3)),
    });
  }
  return results;
}
