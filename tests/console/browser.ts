/** A real browser for the console: Debian's chromium, where it is there. */
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => existsSync(path),
);

/** Undefined: the tests can run. */
export const withoutBrowser =
  executablePath === undefined
    ? 'there is no chromium on this machine (apt-get install chromium)'
    : undefined;

if (withoutBrowser !== undefined) console.warn(`tests in a browser are skipped: ${withoutBrowser}`);

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Opened {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page complained about: exceptions, refusals of its policy, requests to elsewhere. */
  readonly complaints: readonly string[];
}

const PATIENCE_MS = 90_000;

/** One browser for a file of tests; each page has a fresh profile. */
export function useBrowser() {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (executablePath !== undefined) browser = await chromium.launch({ executablePath, args: FLAGS });
  });
  afterAll(async () => {
    await browser?.close();
  });

  return async function open(address: string, look: Look = {}): Promise<Opened> {
    if (browser === undefined) throw new Error('there is no browser');
    const context = await browser.newContext({
      viewport: look.phone === true ? { width: 375, height: 760 } : { width: 1280, height: 860 },
      colorScheme: look.dark === true ? 'dark' : 'light',
      reducedMotion: 'reduce',
      locale: 'en-GB',
    });
    // Of a loaded machine; what is wrong shows at once on a free one, and is waited for this long.
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // The browser itself notes each answer of 400 and more, which the page deals with.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        complaints.push(message.text());
      }
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(address) && !request.url().startsWith('data:')) {
        complaints.push(`a request to ${request.url()}`);
      }
    });
    await page.goto(address);
    return { page, context, complaints };
  };
}

export interface Look {
  readonly dark?: boolean;
  readonly phone?: boolean;
}

export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Access token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
}
