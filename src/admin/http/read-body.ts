/** The body of a request as JSON, within bounds. How long it may take is the server's to say. */
import type { IncomingMessage } from 'node:http';
import { LockstepError } from '../../base/index.ts';

const BODY_BYTES_MAX = 256 * 1024;

export async function readBody(request: IncomingMessage): Promise<unknown> {
  const type = request.headers['content-type'] ?? '';
  const chunks: Buffer[] = [];
  let length = 0;
  // Not destroyed half-way: the answer goes over the same connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) {
      request.resume();
      throw tooLarge();
    }
    chunks.push(chunk);
  }
  if (length === 0) return {};
  // A form of another site can send everything but this.
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw badInput(`its content type is ${JSON.stringify(type)}, not application/json`);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw badInput('this is not JSON');
  }
}

function tooLarge(): LockstepError {
  return new LockstepError({
    code: 'admin.too-large',
    message: `the request has more than ${BODY_BYTES_MAX} bytes`,
  });
}

function badInput(fault: string): LockstepError {
  return new LockstepError({ code: 'admin.bad-input', message: `the request cannot be read: ${fault}` });
}
