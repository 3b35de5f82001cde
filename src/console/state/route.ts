/** Which page is shown, from the part of the address behind `#/`, so that pages can be linked and gone back to. */
import { signal } from '@preact/signals';
import { PAGES } from './pages.ts';
import type { Page } from './pages.ts';

export interface Route {
  readonly page: Page;
  readonly query: URLSearchParams;
}

export const route = signal<Route>(read());

window.addEventListener('hashchange', () => {
  route.value = read();
});

export function linkTo(page: Page, query: Readonly<Record<string, string>> = {}): string {
  const words = new URLSearchParams(query).toString();
  return `#/${page}${words === '' ? '' : `?${words}`}`;
}

function read(): Route {
  const [path = '', words = ''] = window.location.hash.replace(/^#\/?/, '').split('?');
  const page = PAGES.find((name) => name === path) ?? 'overview';
  return { page, query: new URLSearchParams(words) };
}
