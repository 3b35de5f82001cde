/**
 * Names that a dump does not bring: of the foreign keys that a partition has from its root, and of those that stand for a partition
 * of the table referred to. A server makes them up, in the order of the day; by such a name a statement may come that was understood elsewhere.
 */

import { quoteIdent } from '../../../../sql/index.ts';
import { relationName, userRelations } from '../../catalog-sql.ts';
import type { InternalConnection } from '../../internal-connection.ts';

/** By the foreign key that each comes from, through which tables: the table that has it, quoted, and its name. */
const namesSql = `
  WITH RECURSIVE keys AS (
    SELECT k.oid, ${relationName} AS relation, k.conname, concat(${relationName}, ' ', k.conname) AS path, false AS derived
      FROM ${userRelations('rp')} JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0
    UNION ALL
    SELECT k.oid, ${relationName}, k.conname, concat(keys.path, ' > ', ${relationName}, ' ', k.confrelid::regclass), true
      FROM keys JOIN pg_constraint k ON k.conparentid = keys.oid AND k.contype = 'f'
      JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace)
  SELECT path, relation, conname FROM keys WHERE derived`;

interface Named {
  readonly relation: string;
  readonly name: string;
}

async function derivedNames(connection: InternalConnection): Promise<ReadonlyMap<string, Named>> {
  const rows = await connection.rows(namesSql);
  return new Map(
    rows.map(([path, relation, name]) => [path ?? '', { relation: relation ?? '', name: name ?? '' }]),
  );
}

/** The statements that give those of the target the source's names. In two steps: one may have the name that another is to get. */
export async function likeNames(
  source: InternalConnection,
  target: InternalConnection,
): Promise<readonly string[]> {
  const wanted = await derivedNames(source);
  const renamed = [...(await derivedNames(target))].flatMap(([path, { relation, name }], index) => {
    const to = wanted.get(path)?.name;
    return to === undefined || to === name ? [] : [{ relation, from: name, by: `!renamed_${index}`, to }];
  });
  const rename = (relation: string, from: string, to: string): string =>
    `ALTER TABLE ${relation} RENAME CONSTRAINT ${quoteIdent(from)} TO ${quoteIdent(to)}`;
  return [
    ...renamed.map(({ relation, from, by }) => rename(relation, from, by)),
    ...renamed.map(({ relation, by, to }) => rename(relation, by, to)),
  ];
}
