export { clientRoles } from './door-of.ts';
export { buildMembers } from './build-members.ts';
export { LockstepNode } from './lockstep-node.ts';
export type { NodeOptions } from './lockstep-node.ts';
export { removeMember } from './remove-member.ts';
