export { emulatorForTests } from './emulator-for-tests.ts';

export type { EmulatorForTests, EmulatorForTestsOptions, TestRunner } from './emulator-for-tests.ts';
export type { ProvisioningForTest, ResourcesForTest } from './resources-for-test.ts';
