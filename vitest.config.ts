import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores and real servers: files that start servers are heavy, so few run side by side.
    maxWorkers: 2,
    reporters: ['default', './tests/closing-line.ts'],
  },
});
