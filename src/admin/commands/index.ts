import { forDoor } from '../command.ts';
import type { DoorCommand } from '../command.ts';
import { activateMember } from './activate-member.ts';
import { deactivateMember } from './deactivate-member.ts';
import { status } from './status.ts';
import { switchPrimary } from './switch-primary.ts';

export { activateMember, deactivateMember, status, switchPrimary };

/** Every command; each door is made from this list. */
export const COMMANDS: readonly DoorCommand[] = [
  forDoor(status),
  forDoor(activateMember),
  forDoor(deactivateMember),
  forDoor(switchPrimary),
];
