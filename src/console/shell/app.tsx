/** Who is not signed in sees the login; everybody else the page that the address names. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { DatabasePage } from '../pages/database/database-page.tsx';
import { EventsPage } from '../pages/events/events-page.tsx';
import { IntegrityPage } from '../pages/integrity/integrity-page.tsx';
import { MembersPage } from '../pages/members/members-page.tsx';
import { OverviewPage } from '../pages/overview/overview-page.tsx';
import { SessionsPage } from '../pages/sessions/sessions-page.tsx';
import { SetUpPage } from '../pages/set-up/set-up-page.tsx';
import { startJobs, stopJobs } from '../state/jobs.ts';
import { startLive, status, stopLive } from '../state/live.ts';
import { TITLES } from '../state/pages.ts';
import type { Page } from '../state/pages.ts';
import { route } from '../state/route.ts';
import { session } from '../state/session.ts';
import { LiveRegion } from '../ui/live-region.tsx';
import { Asked } from './asked.tsx';
import { ClockBanner } from './clock-banner.tsx';
import { ConnectionBanner } from './connection-banner.tsx';
import { FileBanner } from './file-banner.tsx';
import { Header } from './header.tsx';
import { Login } from './login.tsx';
import { Navigation } from './navigation.tsx';

const pages: Readonly<Record<Page, () => JSX.Element>> = {
  overview: OverviewPage,
  database: DatabasePage,
  members: MembersPage,
  integrity: IntegrityPage,
  events: EventsPage,
  sessions: SessionsPage,
};

export function App(): JSX.Element {
  const now = session.value;
  if (now.state !== 'signed-in') return <Login />;
  return now.info.setUp === true ? <SetUpPage /> : <Inside />;
}

function Inside(): JSX.Element {
  const { page } = route.value;
  const main = useRef<HTMLElement>(null);
  const shown = useRef(page);
  const cluster = status.value?.cluster;

  useEffect(() => {
    startLive();
    startJobs();
    return () => {
      stopLive();
      stopJobs();
    };
  }, []);

  useEffect(() => {
    document.title = `${TITLES[page]} · ${cluster ?? 'Lockstep'}`;
  }, [page, cluster]);

  // Who goes on with the keyboard or hears the page begins at the new page's top.
  useEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    main.current?.focus();
    window.scrollTo(0, 0);
  }, [page]);

  const Shown = pages[page];
  return (
    <div class="app">
      <a class="skip" href={`#/${page}`} onClick={() => main.current?.focus()}>
        Skip to the content
      </a>
      <Header />
      <Navigation />
      <main ref={main} tabIndex={-1} aria-label={TITLES[page]}>
        <ConnectionBanner />
        <ClockBanner />
        <FileBanner />
        <Shown key={page} />
      </main>
      <Asked />
      <LiveRegion />
    </div>
  );
}
