/** A node of which only the operator's side is there. */

import { CommandRunner } from '../../src/admin/index.ts';
import type { JobStatus, MemberStatus, Operations } from '../../src/admin/index.ts';

const unused = () => Promise.reject(new Error('this test does not need it'));

export function fakeOperations(operations: Partial<Operations>): Operations {
  return {
    status: unused,
    deactivateMember: unused,
    switchPrimary: unused,
    syncMember: unused,
    cancelSync: unused,
    verify: unused,
    repair: unused,
    verification: unused,
    addMember: unused,
    removeMember: unused,
    jobs: () => Promise.resolve([] as readonly JobStatus[]),
    cancelJob: unused,
    reload: unused,
    cancelSession: unused,
    events: unused,
    traffic: unused,
    sessions: unused,
    config: unused,
    changeConfig: unused,
    editMember: unused,
    preflight: unused,
    freeDatabase: unused,
    restoreMembers: unused,
    pause: unused,
    resume: unused,
    watch: () => () => undefined,
    ...operations,
  };
}

/** For a door whose commands nobody keeps a record of. */
export function unrecorded(operations: Operations): CommandRunner {
  return new CommandRunner(operations, () => undefined);
}

export const fileAsItWas = { state: 'same', missing: [], unread: [], waiting: [], fault: null } as const;

export const neverVerified = {
  at: null,
  outcome: null,
  reason: null,
  nextAt: null,
  contest: null,
  tables: [],
} as const;

export function memberStatus(status: Partial<MemberStatus>): MemberStatus {
  return {
    id: 'db1',
    url: 'postgres://127.0.0.1:5432/orders',
    weight: 1,
    active: true,
    state: 'active',
    role: 'replica',
    reason: null,
    since: '2026-01-02T03:04:05.678Z',
    load: 0,
    latencyMs: null,
    appliedCsn: null,
    lagCsn: null,
    version: null,
    risks: [],
    sync: null,
    ...status,
  };
}
