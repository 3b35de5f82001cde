import { defineConfig } from 'vitest/config';
import { plant } from './scripts/mutants/plant.js';

const mutant = process.env['MUTANT'];

export default defineConfig({
  // A bug that is planted to see whether it is caught: see docs/reference/mutants.md.
  plugins: mutant === undefined ? [] : [plant(mutant)],
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores and real servers: files that start servers are heavy, so few run side by side.
    maxWorkers: 2,
    reporters: ['default', './tests/closing-line.ts'],
  },
});
