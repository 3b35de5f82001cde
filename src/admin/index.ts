export { adminAddress } from './admin-address.ts';
export { AdminClient } from './admin-client.ts';
export { openAdminServer } from './admin-server.ts';
export type { AdminServer } from './admin-server.ts';
export type { Command, DoorCommand } from './command.ts';
export { activateMember, COMMANDS, deactivateMember, status, switchPrimary } from './commands/index.ts';
export { errorToJson } from './error-json.ts';
export type { ErrorJson } from './error-json.ts';
export type { ClusterStatus, CommandResult, MemberStatus, Operations } from './operations.ts';
