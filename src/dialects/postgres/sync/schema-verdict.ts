/** Whether two members' schemas are the same; and what stands in a database that is empty. */

import { notFromExtension, isUserSchema } from '../catalog-sql.ts';
import { compareFingerprints } from '../compare-fingerprints.ts';
import { schemaFingerprint } from '../fingerprint.ts';
import type { Fingerprint } from '../fingerprint.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { Finding, SchemaVerdict } from '../../sync-contract.ts';

/** A member, asked in a transaction of its own, under `syncSettings`: reading definitions locks the tables that they name. */
export interface SchemaSide {
  readonly memberId: string;
  readonly major: number;
  readonly connection: InternalConnection;
}

const ownObjects = `
  SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE ${isUserSchema('n.nspname')} AND ${notFromExtension('pg_class', 'c.oid')} AND c.relpersistence <> 't')
    OR EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${isUserSchema('n.nspname')} AND ${notFromExtension('pg_proc', 'p.oid')})
    OR EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${isUserSchema('n.nspname')} AND ${notFromExtension('pg_type', 't.oid')})
    OR EXISTS (SELECT FROM pg_namespace n WHERE ${isUserSchema('n.nspname')} AND n.nspname <> 'public' AND ${notFromExtension('pg_namespace', 'n.oid')})`;

async function hasOwnObjects(connection: InternalConnection): Promise<boolean> {
  return (await connection.rows(ownObjects))[0]?.[0] === 't';
}

export async function judgeSchemas(right: SchemaSide, other: SchemaSide): Promise<SchemaVerdict> {
  if (!(await hasOwnObjects(other.connection)) && (await hasOwnObjects(right.connection)))
    return { kind: 'empty' };
  const differences = await schemaDifferences(right, other);
  return differences.length === 0 ? { kind: 'equal' } : { kind: 'different', differences };
}

export async function schemaDifferences(right: SchemaSide, other: SchemaSide): Promise<readonly string[]> {
  const found = await Promise.all([definitionsOf(right), definitionsOf(other)]);
  return definitionDifferences([right.memberId, found[0]], [other.memberId, found[1]]).map(
    ({ text }) => text,
  );
}

/** By the objects that are not the same. */
export function definitionDifferences(
  right: readonly [string, Fingerprint],
  other: readonly [string, Fingerprint],
): readonly Finding[] {
  return compareFingerprints(new Map([right, other])).map(({ object, message }) => ({
    what: object,
    text: message,
  }));
}

export async function definitionsOf({
  connection,
  major,
}: Pick<SchemaSide, 'connection' | 'major'>): Promise<Fingerprint> {
  return { major, schema: await schemaFingerprint(connection), tables: new Map(), sequences: new Map() };
}
