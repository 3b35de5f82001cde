/**
 * Writes rows of the source into a table of the target as they are: what the table's definitions would check or compute is set aside
 * meanwhile, and what an index has to compute is computed with the rights of the table's owner.
 */

import { quoteIdent, quoteLiteral } from '../../../sql/index.ts';
import { MemberError } from '../../contract.ts';
import type { InternalConnection } from '../internal-connection.ts';
import { leftOut, markedArguments, markedWriting } from '../marked-writing.ts';
import type { MarkedWriting } from '../marked-writing.ts';
import type { Mark, MarkedTable } from '../marks.ts';
import type { Remarks } from '../remarks.ts';
import { askShape, readShape, tableStatements } from '../table-shape.ts';
import type { TableShape } from '../table-shape.ts';
import { pipeRows } from './copy-rows.ts';
import type { OnCopied } from './copy-rows.ts';
import { copyColumns } from './sync-table.ts';
import type { SyncTable } from './sync-table.ts';

export interface RowsToWrite {
  readonly source: InternalConnection;
  readonly target: InternalConnection;
  /** In a transaction. */
  readonly targetId: string;
  readonly table: SyncTable;
  /** Which rows: a condition, or nothing for all. */
  readonly where: string;
  /** Of COPY, where rows go straight into the table. */
  readonly formats?: { readonly out: string; readonly in: string };
  readonly onCopied: OnCopied;
  readonly remarks: Remarks;
}

/** Returns how many rows were written. */
export async function writeRows(rows: RowsToWrite): Promise<number> {
  const { target, targetId, table } = rows;
  const relation = `${quoteLiteral(table.name)}::regclass`;
  const row = await askShape(relation, async (sql) => (await target.rows(sql))[0]);
  const shape = readShape(row ?? []);
  const { marked } = shape;
  if (marked === undefined) return await copy(rows, table.columns);
  demandAble(marked, { targetId, table });
  const writing = markedWriting(marked, table.through);
  return writing.box ? await stage(rows, writing, shape) : await copyAside(rows, writing, shape);
}

async function copy(
  { source, target, table, where, formats, onCopied }: RowsToWrite,
  columns: readonly string[],
): Promise<number> {
  return await pipeRows({
    from: source,
    out: `COPY (SELECT ${columns.join(', ')} FROM ${table.from} ${where}) TO STDOUT ${formats?.out ?? ''}`,
    to: target,
    in: `COPY ${table.name} ${copyColumns({ ...table, columns })} FROM STDIN ${formats?.in ?? ''}`,
    onCopied,
  });
}

async function copyAside(rows: RowsToWrite, writing: MarkedWriting, shape: TableShape): Promise<number> {
  const { relations, domains, unbound } = writing;
  const [[saved] = []] = await rows.target.rows(
    `SELECT lockstep.set_aside('${relations}', '${domains}', ${unbound})`,
  );
  const written = await copy(rows, shape.columns.map(quoteIdent));
  await rows.target.query(`SELECT lockstep.put_back(${quoteLiteral(saved ?? '')})`);
  return written;
}

/** By way of a temporary table: data that is copied in cannot be given to the box. */
async function stage(rows: RowsToWrite, writing: MarkedWriting, shape: TableShape): Promise<number> {
  const { source, target, table, where, onCopied, remarks } = rows;
  const members = (shape.virtual ?? shape.all.map(({ name }) => name)).map((name) =>
    name === undefined ? 'NULL' : quoteIdent(name),
  );
  await target.query('CREATE TEMPORARY TABLE lockstep_rows (image text) ON COMMIT DROP');
  await pipeRows({
    from: source,
    out: `COPY (SELECT pg_catalog.concat(ROW(${members.join(', ')})) FROM ${table.from} ${where}) TO STDOUT`,
    to: target,
    in: 'COPY pg_temp.lockstep_rows FROM STDIN',
    onCopied,
  });
  const { insert } = tableStatements(table.name, shape);
  const parameters = [insert, 'SELECT image FROM pg_temp.lockstep_rows', table.name].map(quoteLiteral);
  const [[written, indexes] = []] = await target.rows(
    `SELECT written, left_out FROM lockstep.write_marked_images(${parameters.join(', ')}, ${markedArguments(writing, null)})`,
  );
  await target.query('DROP TABLE pg_temp.lockstep_rows');
  remarks.leftOut(rows.targetId, leftOut(indexes));
  return Number(written);
}

function demandAble(
  { able, marks }: MarkedTable,
  { targetId, table }: { targetId: string; table: SyncTable },
): void {
  if (able || marks.length === 0) return;
  const { kind, name, why } = marks[0] as Mark;
  throw new MemberError(
    targetId,
    'unfit',
    `member ${targetId} cannot store rows of ${table.name} as they are: its ${kind} ${name} depends on ${why}, and only a superuser may set that aside. Give the role of Lockstep SUPERUSER, or change the definition`,
  );
}
