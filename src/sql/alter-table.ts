/** The parts of ALTER TABLE and of trigger commands that replication cares about. */
import { asNode, list, nameParts, text } from './ast.ts';
import type { Ast } from './ast.ts';
import { findIn } from './findings.ts';
import { refusals } from './refusals.ts';
import { isControlName } from './control-objects.ts';
import type { FunctionCatalog, Refusal } from './statement.ts';

const SERIAL_TYPES: ReadonlySet<string> = new Set(
  'serial serial2 serial4 serial8 smallserial bigserial'.split(' '),
);

/** Common built-in types that are written without a keyword of the grammar. */
const PLAIN_TYPES: ReadonlySet<string> = new Set(
  `text uuid date json jsonb bytea money inet cidr macaddr xml oid name int2 int4 int8 float4 float8 bool timestamptz
   timetz numeric tsvector tsquery int4range int8range numrange tsrange tstzrange daterange`.split(/\s+/),
);

/**
 * Whether a command in it fills existing rows with values that each member would compute differently: numbers in the
 * order in which rows are found, or what a function gives that is not the same everywhere. `perhaps`: a type that is
 * not built in may be a domain with a default of its own, which only the database knows.
 */
export function rewrittenRows(body: Ast, catalog: FunctionCatalog): 'certainly' | 'perhaps' | undefined {
  let perhaps = false;
  for (const item of list(body.cmds)) {
    const command = asNode(asNode(item).AlterTableCmd);
    const column = asNode(asNode(command.def).ColumnDef);
    if (command.subtype === 'AT_AlterColumnType' && computesDifferently(column.raw_default, catalog))
      return 'certainly';
    if (command.subtype !== 'AT_AddColumn') continue;
    if (fillsDifferently(column, catalog)) return 'certainly';
    // The grammar spells the built-in types that have a keyword with their schema.
    if (!isPlainType(nameParts(asNode(column.typeName).names))) perhaps = true;
  }
  return perhaps ? 'perhaps' : undefined;
}

function fillsDifferently(column: Ast, catalog: FunctionCatalog): boolean {
  if (SERIAL_TYPES.has(nameParts(asNode(column.typeName).names).at(-1) ?? '')) return true;
  return list(column.constraints).some((item) => {
    const constraint = asNode(asNode(item).Constraint);
    if (constraint.contype === 'CONSTR_IDENTITY') return true;
    return constraint.contype === 'CONSTR_DEFAULT' && computesDifferently(constraint.raw_expr, catalog);
  });
}

function isPlainType(names: readonly string[]): boolean {
  return names[0] === 'pg_catalog' || (names.length === 1 && PLAIN_TYPES.has(names[0] ?? ''));
}

function computesDifferently(expression: unknown, catalog: FunctionCatalog): boolean {
  const found = findIn(expression, catalog);
  return found.volatile === true || found.write !== undefined || found.refusal !== undefined;
}

/** DETACH PARTITION … CONCURRENTLY. */
export function detachesConcurrently(body: Ast): boolean {
  return list(body.cmds).some((item) => {
    const command = asNode(asNode(item).AlterTableCmd);
    return (
      command.subtype === 'AT_DetachPartition' && asNode(asNode(command.def).PartitionCmd).concurrent === true
    );
  });
}

/** Capture hangs on triggers named after the control schema: nothing may disarm, rename or drop them. */
export function triggerRefusal(node: string, body: Ast): Refusal | undefined {
  switch (node) {
    case 'AlterTableStmt':
      for (const item of list(body.cmds)) {
        const refusal = commandRefusal(asNode(asNode(item).AlterTableCmd));
        if (refusal !== undefined) return refusal;
      }
      return undefined;
    case 'CreateTrigStmt':
      return isControlName(body.trigname) ? refusals.controlTrigger : undefined;
    case 'CreateEventTrigStmt':
    case 'AlterEventTrigStmt':
      return isControlName(body.trigname) ? refusals.controlTrigger : undefined;
    case 'RenameStmt':
      return (text(body.renameType) ?? '').endsWith('TRIGGER') &&
        isControlName(body.subname ?? lastName(body.object))
        ? refusals.controlTrigger
        : undefined;
    case 'DropStmt':
      return (text(body.removeType) ?? '').endsWith('TRIGGER') &&
        list(body.objects).some((item) => isControlName(lastName(item)))
        ? refusals.controlTrigger
        : undefined;
    default:
      return undefined;
  }
}

function commandRefusal(command: Ast): Refusal | undefined {
  switch (command.subtype) {
    case 'AT_EnableAlwaysTrig':
    case 'AT_EnableReplicaTrig':
    case 'AT_EnableAlwaysRule':
    case 'AT_EnableReplicaRule':
      return isControlName(command.name) ? refusals.controlTrigger : refusals.alwaysTrigger;
    case 'AT_EnableTrig':
    case 'AT_DisableTrig':
      return isControlName(command.name) ? refusals.controlTrigger : undefined;
    case 'AT_EnableTrigAll':
    case 'AT_EnableTrigUser':
    case 'AT_DisableTrigAll':
    case 'AT_DisableTrigUser':
      return refusals.controlTrigger;
    default:
      return undefined;
  }
}

function lastName(value: unknown): string {
  const node = asNode(value);
  if (node.String !== undefined) return text(asNode(node.String).sval) ?? '';
  return nameParts(asNode(node.List).items).at(-1) ?? '';
}
