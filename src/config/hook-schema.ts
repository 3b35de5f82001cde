/** Options of `hooks`: who is told when something has happened. */
import { z } from 'zod';
import { EVENT_TYPES } from '../telemetry/index.ts';
import { integer, milliseconds, name, optionDocs, secret, sectionDocs } from './option.ts';

export const hookSchema = z
  .strictObject({
    name: name('Name of the hook in events and logs.'),
    on: z.array(z.enum(EVENT_TYPES)).min(1).optional().register(optionDocs, {
      text: 'Of which events it is told; see the page of events. Of `hook-failed` and `hook-dropped` no hook is told.',
      allowed: 'list of names of events',
      default: 'those that are a warning or an error',
    }),
    run: z.array(z.string().min(1)).min(1).optional().register(optionDocs, {
      text: 'Program and arguments. No shell is in between. The event is on its standard input, as JSON in one line; of the environment of the node it sees little more than `PATH`. A path with a "/" in it is relative to this file.',
      allowed: 'list of words',
      default: 'none; either this or `post`',
    }),
    post: z
      .string()
      .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
        error: 'this is not an http or https address',
      })
      .optional()
      .register(optionDocs, {
        text: 'Address to which the event is sent, as JSON. Redirections are not followed. An answer other than 2xx is a failure.',
        allowed: 'http:// or https:// address',
        default: 'none; either this or `run`',
        secret: true,
      }),
    authorization: secret('Value of the header `Authorization` of `post`.', 'none').optional(),
    timeoutMs: milliseconds({
      text: 'One attempt that takes longer is ended, and has failed.',
      default: 10_000,
      min: 100,
      max: 600_000,
    }),
    attempts: integer({
      text: 'How often `post` is tried while there is no answer, or one with status 408, 429 or 5xx.',
      unit: 'attempts',
      default: 5,
      min: 1,
      max: 20,
    }),
  })
  .register(sectionDocs, {
    text: 'Who is told when something has happened: a list. Nothing waits for them.',
  });
