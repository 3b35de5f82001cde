/** The pages of the console, in the order in which they are offered. */

export const PAGES = ['overview', 'database', 'members', 'integrity', 'events', 'sessions'] as const;
export type Page = (typeof PAGES)[number];

export const TITLES: Readonly<Record<Page, string>> = {
  overview: 'Overview',
  database: 'Database',
  members: 'Members',
  integrity: 'Integrity',
  events: 'Events',
  sessions: 'Sessions',
};
