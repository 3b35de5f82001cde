/** Lockstep's own objects outside of its schema: triggers on the tables of users, and event triggers. */
import { asNode, nameParts, text } from './ast.ts';
import type { Ast } from './ast.ts';
import { CONTROL_SCHEMA } from './statement.ts';

/** Of an index while it is being built CONCURRENTLY: it is no part of the schema yet, and nobody else's to touch. */
export const buildingPrefix = '!lockstep_building_';

export function isControlName(name: unknown): boolean {
  return text(name)?.replace(/^!/, '').startsWith(CONTROL_SCHEMA) ?? false;
}

/** The definition of one of them as pg_dump writes it. Where it is restored, there are others of the same name already. */
export function isDumpedControlObject(node: string, body: Ast): boolean {
  switch (node) {
    case 'CreateTrigStmt':
    case 'CreateEventTrigStmt':
      return isControlName(body.trigname) && nameParts(body.funcname)[0] === CONTROL_SCHEMA;
    case 'AlterOwnerStmt':
      return (
        body.objectType === 'OBJECT_EVENT_TRIGGER' && isControlName(asNode(asNode(body.object).String).sval)
      );
    default:
      return false;
  }
}
