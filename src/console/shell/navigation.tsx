import type { JSX } from 'preact';
import { status } from '../state/live.ts';
import { PAGES, TITLES } from '../state/pages.ts';
import { linkTo, route } from '../state/route.ts';
import { Icon } from '../ui/icon.tsx';

export function Navigation(): JSX.Element {
  const current = route.value.page;
  const out = status.value?.members.filter(({ active }) => !active).length ?? 0;
  return (
    <nav class="pages" aria-label="Pages">
      <ul>
        {PAGES.map((page) => (
          <li key={page}>
            <a href={linkTo(page)} aria-current={page === current ? 'page' : undefined}>
              <Icon name={page} size={20} />
              <span class="page-name">{TITLES[page]}</span>
              {page === 'members' && out > 0 && (
                <span class="count">
                  {out}
                  <span class="unseen"> not active</span>
                </span>
              )}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
