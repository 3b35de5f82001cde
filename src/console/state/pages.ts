/** The pages of the console, in the order in which they are offered. */

export const PAGES = ['overview', 'members', 'events', 'sessions'] as const;
export type Page = (typeof PAGES)[number];

export const TITLES: Readonly<Record<Page, string>> = {
  overview: 'Overview',
  members: 'Members',
  events: 'Events',
  sessions: 'Sessions',
};
