/**
 * Indexes that the dump does not bring: of the source's, those that it goes on without itself, and those that the target cannot
 * compute from the source's rows. They are made all the same; where that fails, the target has them as it would if the rows had come by the log:
 * neither written to nor read by, until REINDEX.
 */

import { quoteLiteral } from '../../../../sql/index.ts';
import { userRelations } from '../../catalog-sql.ts';
import type { InternalConnection } from '../../internal-connection.ts';
import type { LeftOut } from '../../marked-writing.ts';
import { MemberError } from '../../../contract.ts';

/** By their definitions. */
async function computedIndexes(connection: InternalConnection): Promise<ReadonlyMap<string, Index>> {
  const rows = await connection.rows(
    `SELECT pg_catalog.pg_get_indexdef(i.indexrelid), i.indexrelid::pg_catalog.regclass, i.indrelid::pg_catalog.regclass, i.indisunique
       FROM ${userRelations('rm')} JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
      WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND NOT i.indisexclusion`,
  );
  return new Map(
    rows.map(([definition, index, table, unique]) => [
      definition ?? '',
      { index: index ?? '', table: table ?? '', unique: unique === 't' },
    ]),
  );
}

type Index = Omit<LeftOut, 'why'>;

/** Returns those that are not in use on the target. */
export async function makeMissingIndexes(
  source: InternalConnection,
  target: InternalConnection,
  term: number,
): Promise<readonly LeftOut[]> {
  const wanted = await computedIndexes(source);
  const there = await computedIndexes(target);
  const leftOut: LeftOut[] = [];
  for (const [definition, index] of wanted) {
    if (there.has(definition)) continue;
    const why = await make(target, definition, term);
    if (why !== undefined) leftOut.push({ ...index, why });
  }
  return leftOut;
}

/** Undefined: it is in use. */
async function make(
  target: InternalConnection,
  definition: string,
  term: number,
): Promise<string | undefined> {
  try {
    await target.query(`BEGIN; ${definition}; SELECT lockstep.fence(${term}); COMMIT`);
    return undefined;
  } catch (error) {
    if (!(error instanceof MemberError) || target.lost !== undefined) throw error;
    await target.query(`ROLLBACK; SELECT lockstep.fence(${term})`);
    // Made in several transactions, it stays behind when its rows cannot be computed.
    const inSteps = definition.replace(/^CREATE (UNIQUE )?INDEX /, 'CREATE $1INDEX CONCURRENTLY ');
    const failure = await target.query(inSteps).then(
      () => undefined,
      (again: unknown) => again,
    );
    const [found] = await target.rows(
      `SELECT FROM pg_catalog.pg_index WHERE NOT indisready AND pg_catalog.pg_get_indexdef(indexrelid) = ${quoteLiteral(definition)}`,
    );
    if (failure === undefined) return undefined;
    if (found === undefined) throw error;
    return error.message;
  }
}
