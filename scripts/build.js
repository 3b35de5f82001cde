import { build, ensureInstalled } from './house.js';

await ensureInstalled();
await build();
