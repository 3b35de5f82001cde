/** The PostgreSQL protocol, version 3: bytes ⇄ messages, both directions, and its logins. No sockets. */

/** Builders by sender: `backend.readyForQuery(…)`, `frontend.sync`. */
export * as backend from './backend-messages.ts';
export * as frontend from './frontend-messages.ts';
export type { ColumnDescription } from './backend-messages.ts';
export type { BindMessage, Format, ParseMessage } from './frontend-messages.ts';
export type { Value } from './frame-writer.ts';

export { Backend, Frontend, HEADER_BYTES, TransactionStatus } from './message-types.ts';
export type { ObjectKind, TransactionStatusByte } from './message-types.ts';

export { LARGE_HEAD_BYTES, MessageFramer } from './framing.ts';
export type { FrameSink, MessageFramerOptions } from './framing.ts';

export { cancelRequest, sslRequest, STARTUP_BYTES_MAX, startupMessage, StartupReader } from './startup.ts';
export type { CancelRequest, StartupMessage, StartupPacket } from './startup.ts';

export {
  readBindFormats,
  readBindNames,
  readClose,
  readDescribe,
  readExecute,
  readParse,
  readPassword,
  readQuery,
  readSaslInitialResponse,
  readSaslResponse,
} from './read-frontend.ts';
export type { BindFields, BindNames, ExecuteFields, ObjectName, ParseFields } from './read-frontend.ts';

export {
  readAuthentication,
  readBackendKeyData,
  readCommandTag,
  readDataRow,
  readErrorFields,
  readFunctionResult,
  readNegotiateProtocolVersion,
  readNotification,
  readParameterDescription,
  readParameterStatus,
  readReadyForQuery,
  readRowCount,
  readRowDescription,
  tableOidOffsets,
} from './read-backend.ts';
export type { AuthenticationRequest, ColumnFields } from './read-backend.ts';

export { errorToFields } from './error-fields.ts';
export type { ErrorFields, ErrorSeverity } from './error-fields.ts';

export { certificateHash } from './certificate-hash.ts';
export { md5Password } from './md5-password.ts';
export { ScramClient } from './scram-client.ts';
export type { ScramClientOptions } from './scram-client.ts';
export type { ScramMechanism } from './scram-message.ts';
export { scramMechanisms, ScramServer } from './scram-server.ts';
export type { ScramServerOptions } from './scram-server.ts';
export {
  formatVerifier,
  makeVerifier,
  mockVerifier,
  parseVerifier,
  SCRAM_ITERATIONS_MAX,
} from './scram-verifier.ts';
export type { ScramKeys, ScramVerifier } from './scram-verifier.ts';
