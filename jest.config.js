/** Source and tests are ESM; `NODE_OPTIONS=--experimental-vm-modules` is set by scripts/test.mjs. Types are checked by `tsc -b`, not here. */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/**/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      'ts-jest',
      { useESM: true, tsconfig: '<rootDir>/tsconfig.jest.json', diagnostics: { ignoreCodes: [5096, 151001, 151002] } },
    ],
  },
  testTimeout: 30_000,
};
