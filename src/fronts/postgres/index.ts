export { CancelRegistry } from './cancel-registry.ts';
export { Conversation } from './conversation.ts';
export { PostgresListener } from './listener.ts';
export type { PostgresListenerOptions } from './listener.ts';
export type { AuthenticatedClient } from './authenticated-client.ts';
export { sweepOfMoved } from './schema-work.ts';
export type { KnownBetter } from './statement-runner.ts';
export { writeFatal } from './write-fatal.ts';
export { beginOptions } from './transaction-words.ts';
