/**
 * RESET ALL inside a body of code would take back what capture has collected in settings of the transaction. A comment
 * that speaks of resetting all is no command.
 */
import { asNode, text } from './ast.ts';

const COMMENT = /--[^\n]*/g;
const RESET_ALL = /\breset\s+all\s*(?:;|'|$)/i;

export function hidesReset(value: unknown): boolean {
  const sval = text(asNode(value).sval);
  if (sval !== undefined) return RESET_ALL.test(sval.replaceAll(COMMENT, ''));
  return Object.values(asNode(value)).some((child) => typeof child === 'object' && hidesReset(child));
}
