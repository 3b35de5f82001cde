import { z } from 'zod';
import { trafficAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { TrafficSample } from '../insight.ts';

export const traffic: Command<Record<string, never>, readonly TrafficSample[]> = {
  name: 'traffic',
  summary: 'Shows how much was read and written, and how fast, each second of the last quarter of an hour.',
  effect: 'reads',
  input: z.strictObject({}),
  output: trafficAnswer,
  run: (operations) => operations.traffic(),
};
