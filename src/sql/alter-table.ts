/** The parts of ALTER TABLE and of trigger commands that replication cares about. */
import { asNode, list, nameParts, text } from './ast.ts';
import type { Ast } from './ast.ts';
import { findIn, relationName } from './findings.ts';
import { refusals } from './refusals.ts';
import { CONTROL_SCHEMA } from './statement.ts';
import type { FunctionCatalog, Refusal, RelationName } from './statement.ts';

const SERIAL_TYPES: ReadonlySet<string> = new Set(
  'serial serial2 serial4 serial8 smallserial bigserial'.split(' '),
);

/**
 * The table, if a command in it fills existing rows with values that each member would compute differently: numbers
 * in the order in which rows are found, or what a function gives that is not the same everywhere. A domain's own
 * default cannot be seen from here.
 */
export function rewrittenRows(body: Ast, catalog: FunctionCatalog): RelationName | undefined {
  const rewrites = list(body.cmds).some((item) => {
    const command = asNode(asNode(item).AlterTableCmd);
    const column = asNode(asNode(command.def).ColumnDef);
    if (command.subtype === 'AT_AddColumn') return fillsDifferently(column, catalog);
    if (command.subtype === 'AT_AlterColumnType') return computesDifferently(column.raw_default, catalog);
    return false;
  });
  return rewrites ? relationName(asNode(body.relation)) : undefined;
}

function fillsDifferently(column: Ast, catalog: FunctionCatalog): boolean {
  if (SERIAL_TYPES.has(nameParts(asNode(column.typeName).names).at(-1) ?? '')) return true;
  return list(column.constraints).some((item) => {
    const constraint = asNode(asNode(item).Constraint);
    if (constraint.contype === 'CONSTR_IDENTITY') return true;
    return constraint.contype === 'CONSTR_DEFAULT' && computesDifferently(constraint.raw_expr, catalog);
  });
}

function computesDifferently(expression: unknown, catalog: FunctionCatalog): boolean {
  const found = findIn(expression, catalog);
  return found.volatile === true || found.write !== undefined || found.refusal !== undefined;
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
    case 'AT_DetachPartition':
      return asNode(asNode(command.def).PartitionCmd).concurrent === true
        ? refusals.detachConcurrently
        : undefined;
    default:
      return undefined;
  }
}

function isControlName(name: unknown): boolean {
  return text(name)?.startsWith(CONTROL_SCHEMA) ?? false;
}

function lastName(value: unknown): string {
  const node = asNode(value);
  if (node.String !== undefined) return text(asNode(node.String).sval) ?? '';
  return nameParts(asNode(node.List).items).at(-1) ?? '';
}
