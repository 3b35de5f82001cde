/** The commands, as paths: made from the one list of them. */
import type { Context, Hono } from 'hono';
import { z } from 'zod';
import { LockstepError } from '../../base/index.ts';
import type { DoorCommand } from '../command.ts';
import type { CommandRunner } from '../command-runner.ts';
import { COMMANDS } from '../commands/index.ts';
import type { JobStatus } from '../jobs.ts';
import type { HttpEnv } from './http-app.ts';
import { openApiDocument } from './openapi.ts';
import { readBody } from './read-body.ts';

type Asked = Context<HttpEnv>;

const NUMBERS: ReadonlySet<string> = new Set(['limit', 'before', 'after']);

export function commandRoutes(app: Hono<HttpEnv>, runner: CommandRunner): void {
  const run = (c: Asked, name: string, input: unknown): Promise<unknown> =>
    runner.run(known(runner, name), input, c.get('caller'));

  const document = openApiDocument();
  app.get('/api/openapi.json', (c) => c.json(document));
  app.get('/api/commands', (c) => c.json({ commands: COMMANDS.map(describe) }));
  app.post('/api/commands/:name', async (c) => {
    const command = known(runner, c.req.param('name'));
    const result = await runner.run(command, await readBody(c.env.incoming), c.get('caller'));
    return command.job ? c.json({ job: withCommand(result as JobStatus) }, 202) : c.json(result as object);
  });

  app.get('/api/status', async (c) => c.json((await run(c, 'status', {})) as object));
  app.get('/api/events', async (c) => c.json((await run(c, 'events', filterOf(c.req.query()))) as object));
  app.get('/api/traffic', async (c) => c.json({ samples: await run(c, 'traffic', {}) }));
  app.get('/api/sessions', async (c) => c.json({ sessions: await run(c, 'sessions', {}) }));
  app.get('/api/config', async (c) => c.json((await run(c, 'config', {})) as object));
  app.get('/api/verification', async (c) => c.json(await run(c, 'verification', {})));
  app.get('/api/jobs', async (c) => {
    const jobs = (await run(c, 'jobs', {})) as readonly JobStatus[];
    return c.json({ jobs: jobs.map(withCommand) });
  });
  app.get('/api/jobs/:job', async (c) => {
    const job = Number(c.req.param('job'));
    const [found] = (await run(c, 'jobs', { job })) as readonly JobStatus[];
    if (found !== undefined) return c.json({ job: withCommand(found) });
    throw new LockstepError({ code: 'admin.unknown-job', message: `there is no job ${job}` });
  });
  app.delete('/api/jobs/:job', async (c) =>
    c.json((await run(c, 'cancel-job', { job: Number(c.req.param('job')) })) as object),
  );
}

/** What stands behind the `?`; what is empty was left out. */
function filterOf(query: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
  const given = Object.entries(query).filter(([, value]) => value !== '');
  return Object.fromEntries(given.map(([name, value]) => [name, NUMBERS.has(name) ? Number(value) : value]));
}

function known(runner: CommandRunner, name: string): DoorCommand {
  const command = runner.find(name);
  if (command !== undefined) return command;
  throw new LockstepError({
    code: 'admin.unknown-command',
    message: `there is no command ${name}`,
    hint: `there are: ${COMMANDS.map((one) => one.name).join(', ')}`,
  });
}

function describe({ name, summary, effect, role, job, input }: DoorCommand): object {
  const title = name.replaceAll('-', ' ').replace(/^./, (first) => first.toUpperCase());
  return { name, title, help: summary, effect, role, job, input: z.toJSONSchema(input) };
}

/** The command that began it, beside what kind of work it is. */
function withCommand(job: JobStatus): JobStatus & { readonly command: string } {
  return { ...job, command: job.kind === 'sync' ? 'sync-member' : job.kind };
}
