/** How the server calls an index that its statement does not name. */

import { asNode, list, nameParts, text, unwrap } from './ast.ts';
import type { Ast } from './ast.ts';

const nameBytesMax = 63;

/** What CREATE INDEX says of the name: the one that it gives, or of what a server makes it. */
export interface IndexName {
  readonly given?: string;
  readonly table: string;
  readonly columns: readonly string[];
}

/** Of IndexStmt. */
export function indexNameOf(body: Ast): IndexName {
  const given = text(body.idxname);
  const elements = [...list(body.indexParams), ...list(body.indexIncludingParams)];
  const columns = elements.map((item) => {
    const { name, indexcolname, expr } = asNode(asNode(item).IndexElem);
    return text(indexcolname) ?? text(name) ?? nameOf(expr)?.name ?? 'expr';
  });
  return {
    ...(given !== undefined && { given }),
    table: text(asNode(body.relation).relname) ?? '',
    columns,
  };
}

/** Those that a server tries, one after the other, until one is free. */
export function namesToTry({ given, table, columns }: IndexName, count: number): readonly string[] {
  if (given !== undefined) return [given];
  const joined = joinedColumns(columns);
  return Array.from({ length: count }, (_, number) => {
    const label = `_idx${number === 0 ? '' : number}`;
    const room = nameBytesMax - label.length - 1;
    let [one, two] = [Buffer.byteLength(table), Buffer.byteLength(joined)];
    while (one + two > room) {
      if (one > two) one -= 1;
      else two -= 1;
    }
    return `${clipped(table, one)}_${clipped(joined, two)}${label}`;
  });
}

function joinedColumns(columns: readonly string[]): string {
  const different: string[] = [];
  for (const column of columns) {
    let name = column;
    for (let number = 1; different.includes(name); number++)
      name = `${clipped(column, nameBytesMax - String(number).length)}${number}`;
    different.push(name);
  }
  return different.reduce((joined, name) =>
    Buffer.byteLength(joined) > nameBytesMax ? joined : `${joined}_${name}`,
  );
}

/** To so many bytes at most, without half a character. */
function clipped(name: string, bytes: number): string {
  let short = name;
  while (Buffer.byteLength(short) > bytes) short = Array.from(short).slice(0, -1).join('');
  return short;
}

interface Figured {
  readonly name: string;
  /** Another name is preferred to it. */
  readonly weak?: true;
}

function nameOf(expression: unknown): Figured | undefined {
  const [node, body] = unwrap(expression);
  switch (node) {
    case 'ColumnRef':
      return strong(nameParts(body.fields).at(-1));
    case 'FuncCall':
      return strong(nameParts(body.funcname).at(-1));
    case 'A_Indirection':
      return strong(nameParts(body.indirection).at(-1)) ?? nameOf(body.arg);
    case 'A_Expr':
      return body.kind === 'AEXPR_NULLIF' ? strong('nullif') : undefined;
    case 'CollateClause':
      return nameOf(body.arg);
    case 'TypeCast':
      return stronger(nameOf(body.arg), nameParts(asNode(body.typeName).names).at(-1));
    case 'CaseExpr':
      return stronger(nameOf(body.defresult), 'case');
    case 'CoalesceExpr':
      return strong('coalesce');
    case 'MinMaxExpr':
      return strong(body.op === 'IS_LEAST' ? 'least' : 'greatest');
    case 'A_ArrayExpr':
      return strong('array');
    case 'RowExpr':
      return strong('row');
    default:
      return undefined;
  }
}

const strong = (name: string | undefined): Figured | undefined => (name === undefined ? undefined : { name });

function stronger(inner: Figured | undefined, name: string | undefined): Figured | undefined {
  if (inner !== undefined && inner.weak !== true) return inner;
  return name === undefined ? inner : { name, weak: true };
}
