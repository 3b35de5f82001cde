import { forDoor } from '../command.ts';
import type { DoorCommand } from '../command.ts';
import { activateMember } from './activate-member.ts';
import { addMember } from './add-member.ts';
import { cancelJob } from './cancel-job.ts';
import { cancelSession } from './cancel-session.ts';
import { cancelSync } from './cancel-sync.ts';
import { changeConfig } from './change-config.ts';
import { config } from './config.ts';
import { deactivateMember } from './deactivate-member.ts';
import { editMember } from './edit-member.ts';
import { events } from './events.ts';
import { freeDatabase } from './free-database.ts';
import { jobs } from './jobs.ts';
import { pause } from './pause.ts';
import { preflight } from './preflight.ts';
import { reload } from './reload.ts';
import { removeMember } from './remove-member.ts';
import { repair } from './repair.ts';
import { restoreMembers } from './restore-members.ts';
import { resume } from './resume.ts';
import { sessions } from './sessions.ts';
import { status } from './status.ts';
import { switchPrimary } from './switch-primary.ts';
import { syncMember } from './sync-member.ts';
import { traffic } from './traffic.ts';
import { verification } from './verification.ts';
import { verify } from './verify.ts';

export {
  activateMember,
  addMember,
  cancelJob,
  cancelSession,
  cancelSync,
  deactivateMember,
  events,
  jobs,
  pause,
  reload,
  removeMember,
  repair,
  resume,
  sessions,
  status,
  switchPrimary,
  syncMember,
  traffic,
  verification,
  verify,
};

/** Every command; each door is made from this list. */
export const COMMANDS: readonly DoorCommand[] = [
  forDoor(status),
  forDoor(activateMember),
  forDoor(deactivateMember),
  forDoor(addMember),
  forDoor(removeMember),
  forDoor(switchPrimary),
  forDoor(syncMember),
  forDoor(cancelSync),
  forDoor(verify),
  forDoor(verification),
  forDoor(repair),
  forDoor(jobs),
  forDoor(cancelJob),
  forDoor(reload),
  forDoor(events),
  forDoor(traffic),
  forDoor(sessions),
  forDoor(cancelSession),
  forDoor(config),
  forDoor(changeConfig),
  forDoor(editMember),
  forDoor(preflight),
  forDoor(freeDatabase),
  forDoor(restoreMembers),
  forDoor(pause),
  forDoor(resume),
];
