#!/usr/bin/env node
// Starts the built program, or says in plain words why it cannot.
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`lockstep: Node ${process.versions.node} is too old\n  hint: install Node 20.19 or later`);
  process.exit(2);
}

const main = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error('lockstep: the program has not been built\n  hint: run: npm run build');
  process.exitCode = 1;
}
