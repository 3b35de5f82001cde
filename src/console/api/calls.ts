/** What the page asks of a node, by name. */
import type {
  Candidate,
  ClientSession,
  CommandAnswer,
  ConfigChanged,
  ConfigView,
  EventPage,
  JobsView,
  JobStatus,
  MemberChange,
  NewMember,
  OptionChange,
  PreflightView,
  ReloadResult,
  SetUpAnswer,
  SetUpInput,
  SetUpState,
  SignedIn,
  SyncStrategy,
  TrafficSample,
  VerificationReport,
} from '../contract.ts';
import { request } from './request.ts';

export const signIn = (token: string) => request<SignedIn>('POST', '/api/session', { token });
export const whoAmI = () => request<SignedIn>('GET', '/api/session');
export const signOut = () => request<unknown>('DELETE', '/api/session');

export const getSetUp = () => request<SetUpState>('GET', '/api/set-up');
export const writeSetUp = (input: SetUpInput) => request<SetUpAnswer>('POST', '/api/set-up', input);

export const getTraffic = () => request<{ samples: readonly TrafficSample[] }>('GET', '/api/traffic');
export const getVerification = () => request<VerificationReport | null>('GET', '/api/verification');
export const getConfig = () => request<ConfigView>('GET', '/api/config');
export const getSessions = () => request<{ sessions: readonly ClientSession[] }>('GET', '/api/sessions');
export const getJobs = async (): Promise<readonly JobStatus[]> => {
  const answer = await request<JobsView>('GET', '/api/jobs');
  return answer.jobs;
};

export interface EventFilter {
  readonly type?: string;
  readonly member?: string;
  readonly level?: string;
}

export function getEvents(filter: EventFilter, limit: number, before?: number): Promise<EventPage> {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const [name, value] of Object.entries(filter)) if (value !== '') query.set(name, value as string);
  if (before !== undefined) query.set('before', String(before));
  return request('GET', `/api/events?${query.toString()}`);
}

const command = <T = CommandAnswer>(name: string, input: object = {}) =>
  request<T>('POST', `/api/commands/${name}`, input);

export interface SyncInput {
  readonly member: string;
  readonly strategy?: SyncStrategy;
  readonly dryRun?: boolean;
  readonly maxRate?: number;
}

export const commands = {
  deactivate: (member: string, reason: string) =>
    command('deactivate-member', { member, ...(reason !== '' && { reason }) }),
  switchPrimary: (member: string) => command('switch-primary', { member }),
  sync: (input: SyncInput) => command('sync-member', input),
  cancelSync: (member: string) => command('cancel-sync', { member }),
  verify: (tables: readonly string[]) => command('verify', tables.length === 0 ? {} : { tables }),
  /** Undefined: every member that was found to differ. */
  repair: (member: string | undefined, dryRun: boolean) =>
    command('repair', { ...(member !== undefined && { member }), ...(dryRun && { dryRun }) }),
  addMember: (member: NewMember) => command('add-member', member),
  editMember: (member: string, change: MemberChange) =>
    command<ConfigChanged>('edit-member', { member, ...change }),
  removeMember: (member: string, free: boolean) =>
    command('remove-member', { member, ...(free && { free }) }),
  restoreMembers: () => command('restore-members'),
  freeDatabase: (candidate: Candidate) => command('free-database', candidate),
  cancelJob: (job: number) => command('cancel-job', { job }),
  reload: () => command<ReloadResult>('reload'),
  pause: () => command('pause'),
  resume: () => command('resume'),
  cancelSession: (session: number) => command('cancel-session', { session }),
  preflight: (candidate: Candidate) => command<PreflightView>('preflight', candidate),
  changeConfig: (changes: readonly OptionChange[]) => command<ConfigChanged>('change-config', { changes }),
};
