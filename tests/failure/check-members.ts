/** Holds what the clients were told against what the members have. */

import { compareMembers, describeDifferences } from '../../src/testing/index.ts';
import type { AskMember } from '../../src/testing/index.ts';
import { accountCount, startBalance } from './load.ts';
import type { Load } from './load.ts';

export interface CheckedMember {
  readonly id: string;
  readonly ask: AskMember;
}

/** Everything that is wrong, in sentences; empty when nothing is. The members are at rest. */
export async function findFaults(
  load: Pick<Load, 'ledger' | 'increments' | 'stepsBack'>,
  members: readonly CheckedMember[],
): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const { id, ask } of members) {
    const keys = (await ask('select key from entries union all select key from transfers')).flat();
    const { missing, invented, repeated } = load.ledger.verify(keys.map(String));
    if (missing.length > 0)
      faults.push(`${id} lacks acknowledged ${missing.slice(0, 5).join(', ')} (${missing.length})`);
    if (invented.length > 0)
      faults.push(`${id} has ${invented.slice(0, 5).join(', ')}, which failed (${invented.length})`);
    if (repeated.length > 0)
      faults.push(`${id} has ${repeated.slice(0, 5).join(', ')} twice (${repeated.length})`);
    faults.push(...(await balanceFaults(id, ask)), ...(await counterFaults(id, ask, load)));
  }
  const differences = await compareMembers(Object.fromEntries(members.map(({ id, ask }) => [id, ask])));
  if (differences.length > 0) faults.push(`members differ:\n${describeDifferences(differences.slice(0, 5))}`);
  for (const { client, seen, shown } of load.stepsBack)
    faults.push(`client ${client} had written ${seen} and was shown ${shown}`);
  return faults;
}

/** A transfer that is there in part shows in its accounts. */
async function balanceFaults(id: string, ask: AskMember): Promise<readonly string[]> {
  const rows = await ask(
    `select a.id, a.balance, ${startBalance} - coalesce((select sum(amount) from transfers where payer = a.id), 0)
            + coalesce((select sum(amount) from transfers where payee = a.id), 0)
       from accounts a order by 1`,
  );
  const odd = rows.filter(([, balance, expected]) => balance !== expected);
  if (rows.length !== accountCount) return [`${id} has ${rows.length} accounts`];
  return odd.map(
    ([account, balance, expected]) =>
      `${id}: account ${account} has ${balance}, its transfers say ${expected}`,
  );
}

async function counterFaults(
  id: string,
  ask: AskMember,
  load: Pick<Load, 'increments'>,
): Promise<readonly string[]> {
  const values = new Map(
    (await ask('select client, value from counters')).map(([client, value]) => [
      Number(client),
      Number(value),
    ]),
  );
  return [...load.increments].flatMap(([client, { known, unknown }]) => {
    const value = values.get(client) ?? -1;
    return value >= known && value <= known + unknown
      ? []
      : [
          `${id}: client ${client} incremented ${known} times (and perhaps ${unknown} more), its counter says ${value}`,
        ];
  });
}
