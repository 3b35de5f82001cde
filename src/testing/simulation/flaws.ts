/** Ways in which a simulated part can be wrong, so that the checkers can be shown to notice. */

export const flaws = {
  'applies-out-of-order': 'a replica applies the records of a batch in reverse',
  'confirms-before-applying': 'a replica confirms a batch and applies it later',
  'loses-a-write-set': 'a replica records a commit without its changes',
  'applies-in-halves': 'a replica makes a batch visible row by row',
  'answers-from-the-past': 'a replica answers reads as it was some time ago',
  'hands-out-half': 'the write set that the primary hands out lacks the last change',
  'ignores-the-term': 'members let an older node commit',
  'forgets-the-state': 'the disk confirms a state that it has not kept',
  'settles-by-guess': 'asked about a commit under way, a member says that it is absent and lets it happen',
  'shows-uncommitted-rows': 'reads see what transactions have not committed',
  'marks-nothing': 'a member that is being repaired does not say so',
  'copies-the-past': 'a snapshot shows rows as they were some time before the CSN that it names',
  'concludes-early': 'a member is said to stand for a CSN before its rows are safe',
  'skips-a-record': 'what is read of the log lacks a record in the middle',
  'reads-not-to-the-end': 'what is read of the log lacks the last record',
  'claims-to-be-further': 'a member that joins says that it has one record more than it has',
  'forgets-to-answer': 'the primary now and then never answers a commit',
} as const satisfies Readonly<Record<string, string>>;

export type Flaw = keyof typeof flaws;
