/** Stands in for the suite's own runner: goes on after a failure, tidies up behind it, and says each result in JSON. */

import { inspect } from 'node:util';
import postgres from '../src/index.js';

const tests = [];

export function t(name, options, body) {
  const { timeout = t.timeout } = typeof options === 'object' ? options : {};
  tests.push({ name, run: body ?? options, timeout });
}
t.timeout = 5;
export const ot = t;
export const nt = () => {};

// What a test that failed leaves behind must not end the run.
process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});

setTimeout(async () => {
  for (const { name, run, timeout } of tests) {
    const failure = await failureOf(run, timeout * 1000);
    console.log(`\n${JSON.stringify({ test: name, failure })}`);
    if (failure !== undefined) await tidyUp();
  }
  process.exit(0);
});

async function failureOf(run, timeoutMs) {
  let late;
  const tooLate = new Promise((_, reject) => {
    late = setTimeout(() => reject(new Error('it took too long')), timeoutMs);
  });
  try {
    const [expected, found] = await Promise.all(await Promise.race([run(), tooLate]));
    return expected === found ? undefined : `${inspect(found)} instead of ${inspect(expected)}`;
  } catch (error) {
    return inspect(error).split('\n')[0];
  } finally {
    clearTimeout(late);
  }
}

async function tidyUp() {
  const sql = postgres({ max: 1, database: 'postgres_js_test', onnotice: () => {} });
  const tables = await sql`
    select oid::regclass::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`;
  for (const { name } of tables) await sql.unsafe(`drop table if exists ${name} cascade`);
  await sql.unsafe('drop publication if exists alltables');
  await sql.end();
}
