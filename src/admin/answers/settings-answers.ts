/** The configuration, and what a look at databases has found. */
import { z } from 'zod';
import type { ConfigChanged, ConfigView, Finding, PreflightView } from '../settings.ts';
import { answer } from './answer.ts';

export const configAnswer = answer<ConfigView>(
  'Config',
  z.object({
    file: z.string(),
    text: z.string(),
    values: z.unknown().describe('What is set in the file; secrets are hidden.'),
    options: z.array(
      z.object({
        path: z.string(),
        type: z.string(),
        default: z.string(),
        help: z.string(),
        allowed: z.string(),
        restart: z.boolean().describe('A change takes effect when the node is started again.'),
      }),
    ),
    problems: z.array(
      z.object({
        severity: z.string(),
        path: z.string(),
        message: z.string(),
        line: z.int().nullable().describe('Where in the file.'),
      }),
    ),
    before: z
      .string()
      .nullable()
      .describe('What the file said when it was taken over last, where that was something else.'),
  }),
);

export const configChangedAnswer = answer<ConfigChanged>(
  'ConfigChanged',
  z.object({
    applied: z.array(z.string()).describe('In force.'),
    needsRestart: z.array(z.string()).describe('In the file, and left until the node is started again.'),
  }),
);

const finding = answer<Finding>(
  'Finding',
  z.object({
    name: z.string(),
    ok: z.enum(['ok', 'warn', 'fail']),
    found: z.string(),
    cure: z.string().exactOptional(),
  }),
);

export const preflightAnswer = answer<PreflightView>(
  'Preflight',
  z.object({
    members: z.array(
      z.object({
        id: z.string(),
        url: z.string(),
        findings: z.array(finding),
        reach: z
          .enum(['nothing', 'server', 'login', 'database'])
          .describe('The last thing that was well on the way to it.'),
        holds: z
          .enum(['nothing', 'ours', 'its own'])
          .exactOptional()
          .describe('Of a database that is no member: whether it holds anything, and from where.'),
        former: z.string().exactOptional().describe('What it was called when it was part of this cluster.'),
      }),
    ),
    cluster: z.array(finding),
  }),
);
