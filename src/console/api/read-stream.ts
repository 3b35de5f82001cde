/** Server-sent events by a request that can bear the secret of the session, which the browser's own reader of them cannot. */
import { credentials } from './request.ts';

export interface StreamReader {
  /** The node has answered, and goes on. */
  onOpen(): void;
  /** Anything at all has come. */
  onBytes(): void;
  onMessage(name: string, data: string): void;
}

/** Until the node ends it, which is an error like any other, or `signal` does. */
export async function readStream(path: string, reader: StreamReader, signal: AbortSignal): Promise<never> {
  const response = await fetch(path, {
    headers: { accept: 'text/event-stream', ...credentials() },
    credentials: 'same-origin',
    cache: 'no-store',
    signal,
  });
  if (!response.ok || response.body === null)
    throw new Error(`the stream was answered with ${response.status}`);
  reader.onOpen();
  const bytes = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await bytes.read();
    if (done) throw new Error('the stream has ended');
    reader.onBytes();
    const messages = (rest + value).split('\n\n');
    rest = messages.pop() ?? '';
    for (const message of messages) take(message, reader);
  }
}

function take(message: string, reader: StreamReader): void {
  let name = 'message';
  const data: string[] = [];
  for (const line of message.split('\n')) {
    if (line.startsWith('event: ')) name = line.slice('event: '.length);
    if (line.startsWith('data: ')) data.push(line.slice('data: '.length));
  }
  if (data.length > 0) reader.onMessage(name, data.join('\n'));
}
