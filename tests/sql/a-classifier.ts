import { Classifier } from '../../src/sql/index.ts';
import type { FunctionCatalog, Statement, Volatility } from '../../src/sql/index.ts';

const VOLATILITIES: Readonly<Record<string, Volatility>> = {
  my_immutable: 'immutable',
  my_stable: 'stable',
  my_volatile: 'volatile',
};

export const someFunctions: FunctionCatalog = {
  version: 1,
  volatility: (_schema, name) => VOLATILITIES[name] ?? 'unknown',
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
