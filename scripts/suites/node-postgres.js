import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment, install, lastLines, packageOf, run } from './tools.js';

/** A file of it waits for the server's authentication_timeout, which is a minute. */
const fileTimeoutMs = 90_000;
const secret = 'scram_test';

/** The tests of the repository beside the package as it is published. Each file counts as a test. */
export const nodePostgres = {
  url: 'https://github.com/brianc/node-postgres',
  database: 'postgres_js_test',
  users: { scram_test: secret },
  prepare: async (checkout, dir) => {
    const source = join(checkout, 'packages/pg');
    const { version, devDependencies } = packageOf(source);
    mkdirSync(dir, { recursive: true });
    writeFileSync(
      join(dir, 'package.json'),
      JSON.stringify({ private: true, dependencies: { pg: `^${version}` }, devDependencies }),
    );
    await install(dir, ['async', 'bluebird', 'co', 'pg-copy-streams']);
    const home = join(dir, 'node_modules/pg');
    cpSync(join(source, 'test'), join(home, 'test'), { recursive: true });
    const files = readdirSync(join(home, 'test/integration'), { recursive: true }).filter((file) =>
      /-tests\.js$/.test(file),
    );
    return async (port) => {
      const results = new Map();
      for (const file of files.toSorted()) {
        const env = {
          ...environment(port),
          PGDATABASE: nodePostgres.database,
          PGTESTNOSSL: 'true',
          SCRAM_TEST_PGUSER: 'scram_test',
          SCRAM_TEST_PGPASSWORD: secret,
        };
        const failure = await run(process.execPath, [join('test/integration', file)], {
          cwd: home,
          env,
          timeout: fileTimeoutMs,
        }).then(
          () => undefined,
          (error) => lastLines(`${error.stdout}${error.stderr}`),
        );
        results.set(file, failure);
      }
      return results;
    };
  },
};
