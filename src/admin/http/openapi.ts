/** The OpenAPI document of the admin address, made from the list of commands and their own schemas. */
import { z } from 'zod';
import {
  answer,
  answerReference,
  answerSchemas,
  configAnswer,
  errorAnswer,
  eventsAnswer,
  lastVerificationAnswer,
  namedJobAnswer,
  resultAnswer,
  sessionsAnswer,
  statusAnswer,
  trafficAnswer,
} from '../answers/index.ts';
import { COMMANDS } from '../commands/index.ts';
import type { DoorCommand } from '../command.ts';
import type { Readiness } from './http-app.ts';

type Json = Readonly<Record<string, unknown>>;

/** What stands in docs/reference/http-api.md around the answers of commands. */
const named = {
  jobBegun: answer('JobBegun', z.object({ job: namedJobAnswer })),
  jobs: answer('JobPage', z.object({ jobs: z.array(namedJobAnswer) })),
  traffic: answer('TrafficPage', z.object({ samples: trafficAnswer })),
  sessions: answer('SessionPage', z.object({ sessions: sessionsAnswer })),
  login: answer('Login', z.object({ role: z.enum(['operator', 'read-only']), csrf: z.string() })),
  alive: answer('Alive', z.object({ alive: z.literal(true) })),
  readiness: answer<Readiness>(
    'Readiness',
    z.object({ role: z.enum(['master', 'failover']), writes: z.boolean(), reads: z.boolean() }),
  ),
  commands: answer(
    'CommandPage',
    z.object({
      commands: z.array(
        z.object({
          name: z.string(),
          title: z.string(),
          help: z.string(),
          effect: z.enum(['reads', 'changes']),
          role: z.enum(['operator', 'read-only']),
          job: z.boolean(),
          input: z.record(z.string(), z.unknown()).describe('A JSON schema.'),
        }),
      ),
    }),
  ),
  failure: answer('Failure', z.object({ error: errorAnswer })),
};

const content = (schema: Json, type = 'application/json'): Json => ({ [type]: { schema } });
const says = (description: string, schema: z.ZodType): Json => ({
  description,
  content: content(answerReference(schema)),
});
const text = (description: string, type: string): Json => ({
  200: { description, content: content({ type: 'string' }, type) },
});
const failure = { default: { $ref: '#/components/responses/Error' } };
const nobody: Json = { security: [] };

export function openApiDocument(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lockstep, the admin address',
      version: '1',
      description: 'What stands in docs/reference/http-api.md, for programs.',
    },
    security: [{ token: [] }, { session: [] }],
    paths: { ...fixedPaths(), ...Object.fromEntries(COMMANDS.map(commandPath)) },
    components: { securitySchemes, schemas: answerSchemas(), responses: { Error: errorResponse } },
  };
}

function commandPath(command: DoorCommand): readonly [path: string, operations: Json] {
  const { name, summary, role, job, input, output } = command;
  const answers = job
    ? { 202: says('It has begun.', named.jobBegun) }
    : { 200: says('What the command answers.', output) };
  const operation = {
    operationId: name,
    summary,
    description: `For ${role === 'operator' ? 'operators' : 'everybody who is let in'}.`,
    requestBody: { content: { 'application/json': { schema: schemaOf(input) } } },
    responses: { ...answers, ...failure },
  };
  return [`/api/commands/${name}`, { post: operation }];
}

function fixedPaths(): Json {
  const get = (summary: string, schema: z.ZodType, more: Json = {}): Json => ({
    get: { summary, responses: { 200: says(summary, schema), ...failure }, ...more },
  });
  const health = (summary: string): Json => ({
    get: {
      summary,
      ...nobody,
      responses: { 200: says('It can.', named.readiness), 503: says('It cannot.', named.readiness) },
    },
  });
  const query = (name: string, type: string): Json => ({ name, in: 'query', schema: { type } });
  const word = (name: string): Json => query(name, 'string');
  const number = (name: string): Json => query(name, 'integer');
  const job = { parameters: [{ name: 'job', in: 'path', required: true, schema: { type: 'integer' } }] };
  return {
    '/health': {
      get: {
        summary: 'Whether the process lives.',
        ...nobody,
        responses: { 200: says('It does.', named.alive) },
      },
    },
    '/readiness': health('Whether a client can write.'),
    '/primary': health('Whether this node serves the cluster.'),
    '/read-only': health('Whether a client can read.'),
    '/metrics': {
      get: { summary: 'For Prometheus.', responses: { ...text('Metrics.', 'text/plain'), ...failure } },
    },
    '/api/session': {
      ...get('Who is logged in.', named.login),
      post: {
        summary: 'Exchanges a token for a cookie.',
        ...nobody,
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { type: 'object', properties: { token: { type: 'string' } }, required: ['token'] },
            },
          },
        },
        responses: { 200: says('And the cookie.', named.login), ...failure },
      },
      delete: {
        summary: 'Logs out.',
        responses: { 200: { description: 'Done.', content: content({ type: 'object' }) }, ...failure },
      },
    },
    '/api/status': get('The cluster and its members.', statusAnswer),
    '/api/commands': get('The commands, with the schemas of what they take.', named.commands),
    '/api/events': get('What has happened, the newest first.', eventsAnswer, {
      parameters: [
        number('limit'),
        number('before'),
        number('after'),
        word('type'),
        word('member'),
        word('level'),
      ],
    }),
    '/api/traffic': get('The last quarter of an hour, a sample each second.', named.traffic),
    '/api/sessions': get('Clients, and what they run.', named.sessions),
    '/api/config': get('The configuration, without secrets.', configAnswer),
    '/api/verification': get('The last verification.', lastVerificationAnswer),
    '/api/jobs': get('Long work.', named.jobs),
    '/api/jobs/{job}': {
      ...get('One piece of it.', named.jobBegun, job),
      delete: {
        summary: 'Asks it to end.',
        ...job,
        responses: { 200: says('Asked.', resultAnswer), ...failure },
      },
    },
    '/api/stream': {
      get: {
        summary: 'Server-sent events: status, event, traffic.',
        responses: { ...text('They go on until the reader leaves.', 'text/event-stream'), ...failure },
      },
    },
    '/api/openapi.json': {
      get: {
        summary: 'This document.',
        responses: { 200: { description: 'It.', content: content({ type: 'object' }) }, ...failure },
      },
    },
  };
}

const securitySchemes: Json = {
  token: { type: 'http', scheme: 'bearer', description: 'A token from the state directory.' },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'lockstep_session',
    description:
      'By POST /api/session; always with the `X-CSRF-Token` that it answers. With TLS its name is `__Host-lockstep_session`.',
  },
};

const errorResponse: Json = says(
  'What was wrong, whether anything has happened, and what to do.',
  named.failure,
);

function schemaOf(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}
