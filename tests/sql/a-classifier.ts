import { Classifier } from '../../src/sql/index.ts';
import type { FunctionCatalog, Hidden, Statement, Volatility } from '../../src/sql/index.ts';

const VOLATILITIES: Readonly<Record<string, Volatility>> = {
  my_immutable: 'immutable',
  my_stable: 'stable',
  my_volatile: 'volatile',
  my_login: 'stable',
};

/** By what it is asked about. */
const HIDDEN: Readonly<Record<string, Hidden>> = {
  'function my_login': { session: 'set_config()' },
  'field my_login': { session: 'set_config()' },
  'relation queue_view': { session: 'pg_try_advisory_lock()' },
  'relation last_view': { local: 'currval()' },
  'target told_table': { session: 'set_config()' },
  'type my_type': { session: 'set_config()' },
  'operator <<<->>>': { local: 'currval()' },
};

export const someFunctions: FunctionCatalog = {
  version: 1,
  settings: [],
  everywhere: undefined,
  volatility: (_schema, name) => VOLATILITIES[name] ?? 'unknown',
  hidden: (what, _schema, name) => HIDDEN[`${what} ${name}`],
};

export const classifier = await Classifier.load();

export function classify(sql: string): readonly Statement[] {
  return classifier.classify(Buffer.from(sql), someFunctions);
}

export function classifyOne(sql: string): Statement {
  const [statement, second] = classify(sql);
  if (statement === undefined || second !== undefined) throw new Error(`not one statement: ${sql}`);
  return statement;
}
