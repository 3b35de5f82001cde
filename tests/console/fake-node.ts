/**
 * A node of which only the HTTP side is there: it plays the contract to the console, for any number of members and events,
 * and fails where a test wants it to. What it was asked to do is kept in `asked`.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { ClusterEvent, ClusterStatus, ConfigView, TrafficSample } from '../../src/console/contract.ts';
import type { ErrorBody, JobStatus, VerificationReport } from '../../src/console/contract.ts';
import {
  fakeConfig,
  fakeEvents,
  fakeFindings,
  fakeSample,
  fakeSessions,
  fakeStatus,
  fakeVerification,
} from './fake-data.ts';

const consoleDirectory = join(import.meta.dirname, '../../dist/console');

export const TOKEN = 'the-token-of-the-operator';
export const READ_ONLY_TOKEN = 'the-token-for-looking-only';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export interface FakeNodeOptions {
  readonly members?: number;
  readonly events?: number;
}

export interface Asked {
  readonly command: string;
  readonly input: Readonly<Record<string, unknown>>;
}

interface Refusal {
  readonly status: number;
  readonly error: ErrorBody['error'];
}

export class FakeNode {
  status: ClusterStatus;
  events: ClusterEvent[];
  readonly samples: TrafficSample[];
  jobs: JobStatus[] = [];
  verification: VerificationReport | null = null;
  config: ConfigView = fakeConfig();
  readonly asked: Asked[] = [];
  /** Answers instead of the command's own, by command. */
  readonly refusals = new Map<string, Refusal>();
  /** What a command does besides being noted. */
  readonly reactions = new Map<string, (input: Asked['input']) => unknown>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #streams = new Set<ServerResponse>();
  readonly #sessions = new Map<string, 'operator' | 'read-only'>();
  #ticker: NodeJS.Timeout | undefined;
  #lastSession = 0;
  #answersAtAll = true;
  /** Of its clock, before that of the browser. */
  clockAheadMs = 0;

  constructor({ members = 3, events = 40 }: FakeNodeOptions = {}) {
    this.status = fakeStatus(members);
    this.events = fakeEvents(events, this.status);
    const now = Date.now();
    this.samples = Array.from({ length: 300 }, (_, place) =>
      fakeSample(now - (299 - place) * 1000, this.status),
    );
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#ticker = setInterval(() => this.#tick(), 1000);
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Everybody has to sign in again. */
  expireSessions(): void {
    this.#sessions.clear();
    this.dropStreams();
  }

  dropStreams(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  /** False: whoever connects is cut off, as if the node were gone. */
  answer(atAll: boolean): void {
    this.#answersAtAll = atAll;
    if (!atAll) this.#server.closeAllConnections();
  }

  changeStatus(change: Partial<ClusterStatus>): void {
    this.status = { ...this.status, ...change };
    this.#send('status', this.status);
  }

  changeMember(id: string, change: Partial<ClusterStatus['members'][number]>): void {
    this.changeStatus({
      members: this.status.members.map((member) => (member.id === id ? { ...member, ...change } : member)),
    });
  }

  /** The last verification has found db3 different. */
  differ(): void {
    this.verification = fakeVerification();
    const { at, outcome } = this.verification;
    this.changeStatus({ verification: { ...this.status.verification, at, outcome } });
  }

  raise(event: Pick<ClusterEvent, 'type' | 'level' | 'text'> & { readonly member?: string }): void {
    const id = (this.events[0]?.id ?? 0) + 1;
    const full: ClusterEvent = { id, at: new Date().toISOString(), data: {}, ...event };
    this.events = [full, ...this.events];
    this.#send('event', full);
  }

  #tick(): void {
    const sample = fakeSample(Date.now() + this.clockAheadMs, this.status);
    this.samples.push(sample);
    this.#send('traffic', sample);
  }

  #send(name: string, value: unknown): void {
    for (const stream of this.#streams) stream.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#answersAtAll) return void request.socket.destroy();
    response.setHeader('content-security-policy', POLICY);
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (!url.pathname.startsWith('/api/')) return sendFile(url.pathname, response);
    let text = '';
    for await (const piece of request) text += String(piece);
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
    const cookie = /lockstep_session=(\d+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
    const role = this.#sessions.get(cookie);
    if (url.pathname === '/api/session' && request.method === 'POST') return this.#signIn(body, response);
    if (role === undefined)
      return refuse(response, 401, { code: 'admin.not-logged-in', message: 'nobody is logged in' });
    const changing = request.method !== 'GET';
    if (request.headers['x-csrf-token'] !== `csrf-${cookie}`) {
      if (url.pathname === '/api/session' && !changing)
        return refuse(response, 401, { code: 'admin.not-logged-in', message: 'nobody is logged in' });
      return refuse(response, 403, { code: 'admin.forged', message: 'the secret of the session is missing' });
    }
    if (url.pathname === '/api/session') {
      if (changing) this.#sessions.delete(cookie);
      return sendJson(response, 200, { role, csrf: `csrf-${cookie}` });
    }
    if (url.pathname === '/api/stream') return this.#stream(response);
    const command = /^\/api\/commands\/(.+)$/.exec(url.pathname)?.[1];
    if (command !== undefined) return this.#run(command, body, role, response);
    const found = this.#look(url);
    if (found === undefined)
      return refuse(response, 404, { code: 'admin.unknown-path', message: 'there is no such path' });
    sendJson(response, 200, found);
  }

  #signIn({ token }: Readonly<Record<string, unknown>>, response: ServerResponse): void {
    if (token !== TOKEN && token !== READ_ONLY_TOKEN) {
      return refuse(response, 401, {
        code: 'admin.wrong-token',
        message: 'this is not the token of this node',
      });
    }
    const id = String(++this.#lastSession);
    const role = token === TOKEN ? 'operator' : 'read-only';
    this.#sessions.set(id, role);
    response.setHeader('set-cookie', `lockstep_session=${id}; HttpOnly; SameSite=Strict; Path=/`);
    sendJson(response, 200, { role, csrf: `csrf-${id}` });
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
    response.write(`event: status\ndata: ${JSON.stringify(this.status)}\n\n`);
  }

  #run(command: string, input: Record<string, unknown>, role: string, response: ServerResponse): void {
    const refusal = this.refusals.get(command);
    if (command === 'preflight' && refusal === undefined) {
      return sendJson(
        response,
        200,
        this.reactions.get(command)?.(input) ?? fakeFindings(input, this.status),
      );
    }
    if (role !== 'operator') {
      return refuse(response, 403, { code: 'admin.not-allowed', message: 'this token lets you look only' });
    }
    this.asked.push({ command, input });
    if (refusal !== undefined) return refuse(response, refusal.status, refusal.error);
    const own = this.reactions.get(command)?.(input);
    sendJson(response, 200, own ?? { changed: true, message: `${command} is done` });
  }

  #look(url: URL): object | null | undefined {
    switch (url.pathname) {
      case '/api/status':
        return this.status;
      case '/api/traffic':
        return { samples: this.samples.slice(-900) };
      case '/api/events':
        return this.#eventsPage(url.searchParams);
      case '/api/sessions':
        return { sessions: fakeSessions };
      case '/api/config':
        return this.config;
      case '/api/jobs':
        return { jobs: this.jobs };
      case '/api/verification':
        return this.verification;
      default:
        return undefined;
    }
  }

  #eventsPage(query: URLSearchParams): object {
    const wanted = (name: 'type' | 'member', event: ClusterEvent) =>
      (query.get(name) ?? event[name]) === event[name];
    const levels = ['debug', 'info', 'warn', 'error'];
    const leastLevel = levels.indexOf(query.get('level') ?? 'debug');
    const before = Number(query.get('before') ?? Number.POSITIVE_INFINITY);
    const limit = Number(query.get('limit') ?? 100);
    const matching = this.events.filter(
      (event) =>
        event.id < before &&
        wanted('type', event) &&
        wanted('member', event) &&
        levels.indexOf(event.level) >= leastLevel,
    );
    return { events: matching.slice(0, limit), more: matching.length > limit };
  }
}

async function sendFile(path: string, response: ServerResponse): Promise<void> {
  const name = extname(path) === '' ? '/index.html' : path;
  try {
    const content = await readFile(join(consoleDirectory, name));
    response
      .writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' })
      .end(content);
  } catch {
    response.writeHead(404).end();
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, error: ErrorBody['error']): void {
  sendJson(response, status, { error });
}
