/** Asks a running node through its admin door. */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { LockstepError, messageOf } from '../base/index.ts';
import type { Command } from './command.ts';
import { errorFromJson } from './error-json.ts';

/** Long enough for a switch that waits for open transactions. */
const ANSWER_MS_DEFAULT = 60_000;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

export class AdminClient {
  readonly #address: string;
  readonly #answerMs: number;

  /** `address` as given by `adminAddress`. */
  constructor(address: string, options: { readonly answerMs?: number } = {}) {
    this.#address = address;
    this.#answerMs = options.answerMs ?? ANSWER_MS_DEFAULT;
  }

  /** Throws what the node threw, or `admin.unreachable` when nobody answers. */
  async call<Input, Output>(command: Command<Input, Output>, input: Input): Promise<Output> {
    const text = await this.#post(`/v1/${command.name}`, JSON.stringify(input)).catch((error: unknown) => {
      throw unreachable(this.#address, command, error);
    });
    const answer = parseAnswer(text);
    if ('result' in answer) return answer.result as Output;
    throw (
      errorFromJson(answer.error) ??
      new LockstepError({
        code: 'admin.bad-answer',
        message: `the answer on ${this.#address} is not one of a Lockstep node`,
        outcome: command.effect === 'reads' ? 'none' : 'unknown',
      })
    );
  }

  #post(path: string, body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const options = { socketPath: this.#address, path, method: 'POST', headers, agent: false };
      const sent = request(options, (response) => {
        readAll(response).then(resolve, reject);
      });
      sent.setTimeout(this.#answerMs, () => sent.destroy(new Error(`no answer within ${this.#answerMs} ms`)));
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseAnswer(text: string): { readonly result: unknown } | { readonly error: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'result' in value) return { result: value.result };
    if (typeof value === 'object' && value !== null && 'error' in value) return { error: value.error };
  } catch {
    // Not JSON: the same as JSON that is neither.
  }
  return { error: undefined };
}

function unreachable(
  address: string,
  command: Pick<Command<never, unknown>, 'effect'>,
  error: unknown,
): LockstepError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const nobody = code === 'ENOENT' || code === 'ECONNREFUSED';
  return new LockstepError({
    code: 'admin.unreachable',
    message: nobody
      ? `no node answers on ${address}`
      : `the node on ${address} cannot be asked: ${messageOf(error)}`,
    // Once connected, the command may have been carried out before the answer was lost.
    outcome: nobody || code === 'EACCES' || command.effect === 'reads' ? 'none' : 'unknown',
    hint:
      code === 'EACCES'
        ? 'run the command as the user that runs the node'
        : 'is the node running, and is this its configuration? `lockstep serve` starts it',
  });
}
