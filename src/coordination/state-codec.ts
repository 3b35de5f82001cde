/**
 * The state file: a header line, then the state as JSON. The header carries the format, the length and the SHA-256 of
 * what follows, so that a file that was torn, truncated or changed anywhere is noticed.
 *
 *     lockstep-state 1 347 9f86d081884c7d65…
 *     { "clusterId": "orders", … }
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { NodeState } from './node-state.ts';

const FORMAT = 1;

/** Why a file is not a state. */
export interface StateFault {
  readonly fault: string;
}

export function encodeState(state: NodeState): Uint8Array {
  const body = Buffer.from(`${JSON.stringify(state, null, 2)}\n`);
  return Buffer.concat([Buffer.from(`lockstep-state ${FORMAT} ${body.length} ${digest(body)}\n`), body]);
}

export function decodeState(bytes: Uint8Array): NodeState | StateFault {
  if (bytes.length === 0) return { fault: 'it is empty' };
  const end = bytes.indexOf(0x0a);
  const header = Buffer.from(bytes.subarray(0, Math.max(end, 0))).toString('latin1');
  const match = /^lockstep-state (\d{1,9}) (\d{1,9}) ([0-9a-f]{64})$/.exec(header);
  if (match === null) return { fault: 'it does not begin as a state file does' };
  const [, format, length, expected] = match;
  if (Number(format) !== FORMAT) {
    return { fault: `it has format ${format}, and this version of Lockstep reads format ${FORMAT}` };
  }
  const body = bytes.subarray(end + 1);
  if (body.length !== Number(length))
    return { fault: `${length} bytes were written, ${body.length} are there` };
  if (digest(body) !== expected) return { fault: 'its checksum does not match its content' };
  const parsed = nodeState.safeParse(parseJson(body));
  if (!parsed.success) return { fault: `its content is not a state: ${z.prettifyError(parsed.error)}` };
  return parsed.data;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}

function digest(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

const count = z.int().min(0);

const nodeState: z.ZodType<NodeState> = z.strictObject({
  clusterId: z.string().min(1),
  term: count,
  version: count,
  members: z.array(
    z.strictObject({
      id: z.string().min(1),
      url: z.string().min(1),
      active: z.boolean(),
      reason: z.string().exactOptional(),
      since: z.string().min(1),
      held: z.boolean(),
      leaving: z.literal(true).exactOptional(),
      wholeUpToCsn: count.exactOptional(),
      differs: z.boolean().exactOptional(),
    }),
  ),
  primary: z.string().nullable(),
  lastCsn: count,
});
