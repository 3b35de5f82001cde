/**
 * Values that a schema command computes while it runs, once, into the definition: `DEFAULT 'now'` of a time column is
 * the time of the CREATE TABLE. Each member would keep another one.
 */
import { asNode, list, nameParts, text } from './ast.ts';
import type { Ast } from './ast.ts';
import { findNamed } from './findings.ts';
import { refusals } from './refusals.ts';
import type { FunctionCatalog, Refusal } from './statement.ts';

const TIME_TYPES: ReadonlySet<string> = new Set('date time timetz timestamp timestamptz'.split(' '));
/** Texts that such a type reads as a moment. */
const MOMENT = /^\s*(?:now|(?:today|tomorrow|yesterday)\b.*)\s*$/i;

export function frozenValue(node: string, body: Ast, catalog: FunctionCatalog): Refusal | undefined {
  return frozenMoment({ [node]: body }) ? refusals.frozenMoment : frozenBound(body, catalog);
}

function frozenMoment(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(frozenMoment);
  const node = asNode(value);
  const cast = asNode(node.TypeCast);
  if (isTimeType(cast.typeName) && isMoment(cast.arg)) return true;
  const column = asNode(node.ColumnDef);
  if (isTimeType(column.typeName) && list(column.constraints).some(hasMomentDefault)) return true;
  const command = asNode(node.AlterTableCmd);
  // The column's type is not in the text: a text column with this default is refused too.
  if (command.subtype === 'AT_ColumnDefault' && isMoment(command.def)) return true;
  return Object.values(node).some(
    (child) => typeof child === 'object' && child !== null && frozenMoment(child),
  );
}

function hasMomentDefault(item: unknown): boolean {
  const constraint = asNode(asNode(item).Constraint);
  return constraint.contype === 'CONSTR_DEFAULT' && isMoment(constraint.raw_expr);
}

function isTimeType(typeName: unknown): boolean {
  return TIME_TYPES.has(nameParts(asNode(typeName).names).at(-1) ?? '');
}

function isMoment(value: unknown): boolean {
  const constant = asNode(asNode(value).A_Const);
  return MOMENT.test(text(asNode(constant.sval).sval) ?? '');
}

/** The bounds of a partition are values, however they are written. */
function frozenBound(body: Ast, catalog: FunctionCatalog): Refusal | undefined {
  const commands = list(body.cmds).map((item) => asNode(asNode(asNode(item).AlterTableCmd).def).PartitionCmd);
  const bounds = [asNode(body.partbound), ...commands.map((command) => asNode(asNode(command).bound))];
  const varies = bounds.some((bound) =>
    [bound.listdatums, bound.lowerdatums, bound.upperdatums].some((datums) => {
      const found = findNamed(datums, catalog);
      return found.volatile === true || found.write !== undefined;
    }),
  );
  return varies ? refusals.frozenBound : undefined;
}
