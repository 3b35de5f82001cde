/** The rows that differ: what each member has, under each other, and marked where it stands apart. */
import type { JSX } from 'preact';
import type { VerifiedTable } from '../../contract.ts';

type RowDifference = VerifiedTable['differences'][number];

export function SideBySide({ table }: { readonly table: VerifiedTable }): JSX.Element {
  return (
    <div class="differences">
      {table.differences.map((difference) => (
        <Difference key={JSON.stringify(difference)} table={table} difference={difference} />
      ))}
      <p class="quiet-text">These are examples; there may be more rows that differ.</p>
    </div>
  );
}

type Values = RowDifference['values'][string];

interface Group {
  readonly members: readonly string[];
  readonly values: Values;
}

function Difference({
  table,
  difference,
}: {
  readonly table: VerifiedTable;
  readonly difference: RowDifference;
}): JSX.Element {
  const columns = columnsOf(difference);
  const groups = grouped(difference, columns);
  const right = groups.find(({ members }) => members.some((id) => table.members[id] === 'equal'))?.values;
  return (
    <div class="table-box">
      <table class="table rows-table">
        <caption>{titleOf(difference)}</caption>
        <thead>
          <tr>
            <th scope="col">Member</th>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {groups.map(({ members, values }) => (
            <tr key={members.join()}>
              <th scope="row">{members.join(', ')}</th>
              {values === null ? (
                <td colSpan={columns.length} class={right === null ? undefined : 'apart'}>
                  {right !== null && <Mark />}has no such row
                </td>
              ) : (
                columns.map((column) => {
                  const apart = right !== undefined && values !== right && right?.[column] !== values[column];
                  return (
                    <td key={column} class={apart ? 'mono apart' : 'mono'}>
                      {apart && <Mark />}
                      {values[column] ?? <em>null</em>}
                    </td>
                  );
                })
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Mark(): JSX.Element {
  return (
    <>
      <span aria-hidden="true">≠ </span>
      <span class="unseen">differs: </span>
    </>
  );
}

/** `Row id = 4711` */
function titleOf({ key }: RowDifference): string {
  if (key === null) return 'A row without a key';
  return `Row ${Object.entries(key)
    .map(([column, value]) => `${column} = ${value ?? 'null'}`)
    .join(', ')}`;
}

/** Those that differ first. */
function columnsOf({ columns, values }: RowDifference): readonly string[] {
  return [...new Set([...columns, ...Object.values(values).flatMap((row) => Object.keys(row ?? {}))])];
}

/** Members with the same row stand in one line. */
function grouped({ values }: RowDifference, columns: readonly string[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const [id, row] of Object.entries(values)) {
    const sign = row === null ? 'none' : JSON.stringify(columns.map((column) => row[column] ?? null));
    groups.set(sign, {
      members: [...(groups.get(sign)?.members ?? []), id],
      values: groups.get(sign)?.values ?? row,
    });
  }
  return [...groups.values()];
}
