/** The first byte of each message of protocol 3, by who sends it. */

export const Frontend = {
  Bind: 0x42, // B
  Close: 0x43, // C
  CopyData: 0x64, // d
  CopyDone: 0x63, // c
  CopyFail: 0x66, // f
  Describe: 0x44, // D
  Execute: 0x45, // E
  Flush: 0x48, // H
  FunctionCall: 0x46, // F
  Parse: 0x50, // P
  /** Also SASLInitialResponse and SASLResponse: which one, only the state of the login tells. */
  Password: 0x70, // p
  Query: 0x51, // Q
  Sync: 0x53, // S
  Terminate: 0x58, // X
} as const;

export const Backend = {
  Authentication: 0x52, // R
  BackendKeyData: 0x4b, // K
  BindComplete: 0x32, // 2
  CloseComplete: 0x33, // 3
  CommandComplete: 0x43, // C
  CopyBothResponse: 0x57, // W
  CopyData: 0x64, // d
  CopyDone: 0x63, // c
  CopyInResponse: 0x47, // G
  CopyOutResponse: 0x48, // H
  DataRow: 0x44, // D
  EmptyQueryResponse: 0x49, // I
  ErrorResponse: 0x45, // E
  FunctionCallResponse: 0x56, // V
  NegotiateProtocolVersion: 0x76, // v
  NoData: 0x6e, // n
  NoticeResponse: 0x4e, // N
  NotificationResponse: 0x41, // A
  ParameterDescription: 0x74, // t
  ParameterStatus: 0x53, // S
  ParseComplete: 0x31, // 1
  PortalSuspended: 0x73, // s
  ReadyForQuery: 0x5a, // Z
  RowDescription: 0x54, // T
} as const;

/** The byte in ReadyForQuery. */
export const TransactionStatus = {
  Idle: 0x49, // I
  Open: 0x54, // T
  Failed: 0x45, // E
} as const;

export type TransactionStatusByte = (typeof TransactionStatus)[keyof typeof TransactionStatus];

/** What Describe and Close speak about. */
export type ObjectKind = 'statement' | 'portal';

export const HEADER_BYTES = 5;
/** A secret key for cancelling: 4 bytes up to protocol 3.0, up to 256 from 3.2 on. */
export const CANCEL_KEY_BYTES_MIN = 4;
export const CANCEL_KEY_BYTES_MAX = 256;
