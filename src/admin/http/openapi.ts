/** The OpenAPI document of the admin address, made from the list of commands and their own schemas. */
import { z } from 'zod';
import { COMMANDS } from '../commands/index.ts';
import type { DoorCommand } from '../command.ts';

type Json = Readonly<Record<string, unknown>>;

const ok = (description: string, type = 'application/json'): Json => ({
  200: { description, content: { [type]: { schema: {} } } },
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
    components: { securitySchemes, responses: { Error: errorResponse } },
  };
}

function commandPath(command: DoorCommand): readonly [path: string, operations: Json] {
  const { name, summary, role, job, input } = command;
  const answers = job
    ? { 202: { description: 'It has begun: `{ job }`.', content: { 'application/json': { schema: {} } } } }
    : ok('What the command answers.');
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
  const get = (summary: string, more: Json = {}): Json => ({
    get: { summary, responses: { ...ok(summary), ...failure }, ...more },
  });
  const health = (summary: string): Json => ({
    get: { summary, ...nobody, responses: { ...ok('It can.'), 503: { description: 'It cannot.' } } },
  });
  const query = (name: string, type: string): Json => ({ name, in: 'query', schema: { type } });
  const text = (name: string): Json => query(name, 'string');
  const number = (name: string): Json => query(name, 'integer');
  const job = { parameters: [{ name: 'job', in: 'path', required: true, schema: { type: 'integer' } }] };
  return {
    '/health': health('Whether the process lives.'),
    '/readiness': health('Whether a client can write.'),
    '/primary': health('Whether this node serves the cluster.'),
    '/read-only': health('Whether a client can read.'),
    '/metrics': {
      get: { summary: 'For Prometheus.', responses: { ...ok('Metrics.', 'text/plain'), ...failure } },
    },
    '/api/session': {
      ...get('Who is logged in: `{ role, csrf }`.'),
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
        responses: { ...ok('`{ role, csrf }`, and the cookie.'), ...failure },
      },
      delete: { summary: 'Logs out.', responses: { ...ok('Done.'), ...failure } },
    },
    '/api/status': get('The cluster and its members.'),
    '/api/commands': get('The commands, with the schemas of what they take.'),
    '/api/events': get('What has happened, the newest first.', {
      parameters: [
        number('limit'),
        number('before'),
        number('after'),
        text('type'),
        text('member'),
        text('level'),
      ],
    }),
    '/api/traffic': get('The last quarter of an hour, a sample each second.'),
    '/api/sessions': get('Clients, and what they run.'),
    '/api/config': get('The configuration, without secrets.'),
    '/api/verification': get('The last verification.'),
    '/api/jobs': get('Long work.'),
    '/api/jobs/{job}': {
      ...get('One piece of it.', job),
      delete: { summary: 'Asks it to end.', ...job, responses: { ...ok('Asked.'), ...failure } },
    },
    '/api/stream': {
      get: {
        summary: 'Server-sent events: status, event, traffic.',
        responses: { ...ok('They go on until the reader leaves.', 'text/event-stream'), ...failure },
      },
    },
    '/api/openapi.json': get('This document.'),
  };
}

const securitySchemes: Json = {
  token: { type: 'http', scheme: 'bearer', description: 'A token from the state directory.' },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'lockstep_session',
    description: 'By POST /api/session; with `X-CSRF-Token` for whatever is not a GET.',
  },
};

const errorBody = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    outcome: z.enum(['none', 'done', 'unknown']),
    retryable: z.boolean(),
    hint: z.string().optional(),
    field: z.string().optional(),
  }),
});

const errorResponse: Json = {
  description: 'What was wrong, whether anything has happened, and what to do.',
  content: {
    'application/json': {
      schema: schemaOf(errorBody),
    },
  },
};

function schemaOf(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}
