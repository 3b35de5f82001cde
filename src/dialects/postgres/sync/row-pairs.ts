/** Rows that differ, side by side, for people. */

import { quoteLiteral } from '../../../sql/index.ts';
import type { RowPair, RowText } from '../../sync-contract.ts';
import { hasKey, rowKeySql, valueText } from './row-keys.ts';
import type { RowKey } from './row-keys.ts';
import type { RowDifference, TablePair } from './table-difference.ts';
import type { TableSide } from './row-digests.ts';

const pairsMax = 10;
const columnsMax = 64;
const valueLengthMax = 200;

export async function pairRows(pair: TablePair, found: RowDifference): Promise<readonly RowPair[]> {
  const { right, other } = pair;
  const key = await readKey(right);
  const columns = shownColumns(right, key);
  const [lacked, surplus] = [
    await byPlaces(right, found.missing.slice(0, pairsMax), columns),
    await byPlaces(other, found.extra.slice(0, pairsMax), columns),
  ];
  if (key === undefined || [...lacked, ...surplus].some((row) => isCut(row, key))) {
    const alone = [
      ...lacked.map((row) => ({ key: undefined, right: row, other: undefined })),
      ...surplus.map((row) => ({ key: undefined, right: undefined, other: row })),
    ];
    return alone.slice(0, pairsMax);
  }
  const keys = new Map<string, readonly (string | null)[]>();
  const keyOf = (row: RowText): readonly (string | null)[] =>
    key.columns.map((column) => row[unquoted(column)] ?? null);
  for (const row of [...lacked, ...surplus]) keys.set(JSON.stringify(keyOf(row)), keyOf(row));
  const wanted = [...keys.values()].slice(0, pairsMax);
  const [here, there] = [
    await byKeys(right, key, wanted, columns),
    await byKeys(other, key, wanted, columns),
  ];
  return wanted.map((values) => {
    const same = (row: RowText): boolean => JSON.stringify(keyOf(row)) === JSON.stringify(values);
    return {
      key: Object.fromEntries(key.columns.map((column, at) => [unquoted(column), values[at] ?? null])),
      right: here.find(same),
      other: there.find(same),
    };
  });
}

async function readKey({ connection, table }: TableSide): Promise<RowKey | undefined> {
  const rows = await connection.rows(`SELECT ${rowKeySql(`${quoteLiteral(table.name)}::regclass`)}`);
  return (JSON.parse(rows[0]?.[0] ?? 'null') as RowKey | null) ?? undefined;
}

/** It would not be found by what is left of its key. */
function isCut(row: RowText, { columns }: RowKey): boolean {
  return columns.some((column) => (row[unquoted(column)]?.length ?? 0) >= valueLengthMax);
}

function shownColumns({ table }: TableSide, key: RowKey | undefined): readonly string[] {
  const first = key?.columns ?? [];
  return [...first, ...table.stored.filter((column) => !first.includes(column))].slice(0, columnsMax);
}

async function byPlaces(
  side: TableSide,
  places: readonly string[],
  columns: readonly string[],
): Promise<readonly RowText[]> {
  if (places.length === 0) return [];
  return await readTexts(side, columns, `"!row".ctid = ANY ('{"${places.join('","')}"}'::tid[])`);
}

async function byKeys(
  side: TableSide,
  key: RowKey,
  keys: readonly (readonly (string | null)[])[],
  columns: readonly string[],
): Promise<readonly RowText[]> {
  if (keys.length === 0) return [];
  return await readTexts(side, columns, hasKey(key, keys, '"!row"'));
}

async function readTexts(
  { connection, table }: TableSide,
  columns: readonly string[],
  where: string,
): Promise<readonly RowText[]> {
  const values = columns
    .map((column) => `left(${valueText(`"!row".${column}`)}, ${valueLengthMax})`)
    .join(', ');
  const rows = await connection.rows(
    `SELECT to_json(ARRAY[${values}]::text[])::text FROM ${table.from} AS "!row" WHERE ${where}`,
  );
  return rows.map(([text]) => {
    const found = JSON.parse(text ?? '[]') as readonly (string | null)[];
    return Object.fromEntries(columns.map((column, at) => [unquoted(column), found[at] ?? null]));
  });
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
