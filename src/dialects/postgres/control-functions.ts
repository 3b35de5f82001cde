/** The functions of the control schema that are called in clients' sessions, as one member numbers them. */

import { randomBytes, createHash } from 'node:crypto';
import { invariant } from '../../base/index.ts';
import { frontend } from '../../wire/postgres/index.ts';
import { calledByNode } from './control-schema.ts';
import type { ControlFunction } from './control-schema.ts';
import type { InternalConnection } from './internal-connection.ts';

/** What a node proves itself by to one member, for as long as it runs. */
export class NodeSecret {
  readonly #text: string;
  /** For `lockstep.admit`, as bytea in text. */
  readonly digest: string;

  constructor() {
    const bytes = randomBytes(32);
    this.#text = `\\x${bytes.toString('hex')}`;
    this.digest = `\\x${createHash('sha256').update(bytes).digest('hex')}`;
  }

  functions(numbers: ReadonlyMap<string, number>): ControlFunctions {
    return {
      call: (name, values) => {
        const oid = numbers.get(name);
        invariant(oid !== undefined, `a member has no function lockstep.${name}`);
        return frontend.functionCall({ oid, values: [this.#text, ...values] });
      },
    };
  }
}

export interface ControlFunctions {
  /** A FunctionCall message; the secret comes first. Values are in text. */
  call(name: ControlFunction, values: readonly (string | Buffer)[]): Buffer;
}

export async function askControlFunctions(
  connection: InternalConnection,
): Promise<ReadonlyMap<string, number>> {
  const names = calledByNode.map((name) => `'${name}'`).join(', ');
  const rows = await connection.rows(
    `SELECT p.proname, p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = 'lockstep' AND p.proname IN (${names})`,
  );
  const numbers = new Map(rows.map(([name, oid]) => [name ?? '', Number(oid)]));
  const missing = calledByNode.find((name) => !Number.isInteger(numbers.get(name)));
  if (missing !== undefined) throw new Error(`it has no function lockstep.${missing}`);
  return numbers;
}
