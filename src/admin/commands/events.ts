import { z } from 'zod';
import { eventsAnswer } from '../answers/index.ts';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import { EVENT_LEVELS } from '../insight.ts';
import type { EventFilter, EventPage } from '../insight.ts';

const LIMIT_MAX = 1000;

export const events: Command<EventFilter, EventPage> = {
  name: 'events',
  summary: 'Shows what has happened, the newest first; also from before the node was last started.',
  effect: 'reads',
  input: z.strictObject({
    limit: z.int().min(1).max(LIMIT_MAX).exactOptional(),
    type: z.string().min(1).max(100).exactOptional(),
    member: memberId.exactOptional(),
    level: z.enum(EVENT_LEVELS).exactOptional(),
    before: z.int().min(0).exactOptional(),
    after: z.int().min(0).exactOptional(),
  }),
  output: eventsAnswer,
  run: (operations, filter) => operations.events(filter),
};
