import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 180_000,
    // Kernel and e2e tests share one kernel, one set of ports and two cores: one file at a time.
    fileParallelism: false,
    pool: 'forks',
    include: ['test/**/*.test.ts'],
  },
});
