import type { EmulatorClock } from '../clock/virtual-clock.ts';
import type { Seed } from '../data/seed.ts';
import type { Snapshot } from '../data/snapshots.ts';
import type { Fault } from '../faults/fault.ts';
import type { IotHub } from '../hub/iot-hub.ts';
import type { TelemetryMessage } from '../hub/telemetry.ts';
import { type AzureIotEmulator, startAzureIot, type StartAzureIotOptions } from '../start.ts';
import { makeResources, type ProvisioningForTest, type ResourcesForTest } from './resources-for-test.ts';

/** The hooks of jest, vitest, node:test and others that the helper needs: hand over your runner's own. */
export interface TestRunner {
  readonly beforeAll: (work: () => Promise<void>, timeoutMs?: number) => void;
  readonly afterAll: (work: () => Promise<void>) => void;
  readonly afterEach: (work: () => Promise<void>) => void;
}

/** Options of {@link emulatorForTests}. */
export interface EmulatorForTestsOptions extends Omit<StartAzureIotOptions, 'seed'> {
  /** What exists at the beginning of every test. */
  readonly seed?: Seed | string;
  /**
   * What happens between tests. `restore` (default): the state of the beginning comes back, and connections end. `fresh`:
   * nothing; each test makes what it needs with `resources`. Faults end and time goes back to the system's either way.
   */
  readonly isolation?: 'restore' | 'fresh';
}

/** An emulator that a file of tests shares. Everything but `emulator` can be used in tests alone. */
export interface EmulatorForTests {
  /** @throws {Error} before the tests begin */
  readonly emulator: AzureIotEmulator;
  readonly clock: EmulatorClock;
  hub(name: string): IotHub;
  /** A hub and a DPS, linked, that this test has to itself. */
  resources(content?: ProvisioningForTest): Promise<ResourcesForTest>;
  /** Begins a fault; it ends with the test, or with what this returns. @throws {EmulatorError} ERR_EMULATOR_FAULT */
  fault(fault: Fault): () => void;
  /**
   * The next message that fits; what has arrived before counts, too.
   *
   * @param match.timeoutMs - real time; default 5000
   * @throws {Error} none came; says what did
   */
  telemetry(hub: IotHub | string, match?: TelemetryMatch): Promise<TelemetryMessage>;
}

/** Which message is waited for; default any. */
export interface TelemetryMatch {
  readonly deviceId?: string;
  readonly where?: (message: TelemetryMessage) => boolean;
  readonly timeoutMs?: number;
}

/**
 * Starts an emulator before a file's tests and stops it after them.
 *
 * @param runner - `{ beforeAll, afterAll, afterEach }` of the test runner
 */
export function emulatorForTests(runner: TestRunner, options: EmulatorForTestsOptions = {}): EmulatorForTests {
  const { isolation = 'restore', ...startOptions } = options;
  let running: AzureIotEmulator | undefined;
  let beginning: Snapshot | undefined;
  const emulator = (): AzureIotEmulator => {
    if (running) return running;
    throw new Error('The emulator starts before the first test and stops after the last: use it inside of tests.');
  };
  runner.beforeAll(async () => {
    running = await startAzureIot(startOptions);
    beginning = running.snapshots.take();
  }, 30_000);
  runner.afterEach(async () => {
    const { faults, clock, snapshots } = emulator();
    faults.clear();
    clock.reset();
    if (isolation === 'restore' && beginning) await snapshots.restore(beginning);
  });
  runner.afterAll(async () => {
    await running?.close();
    running = undefined;
  });
  return {
    get emulator() {
      return emulator();
    },
    get clock() {
      return emulator().clock;
    },
    hub: (name) => emulator().hub(name),
    resources: (content) => makeResources(emulator(), content),
    fault: (fault) => emulator().faults.add(fault),
    telemetry: (hub, match) => awaitTelemetry(typeof hub === 'string' ? emulator().hub(hub) : hub, match),
  };
}

async function awaitTelemetry(hub: IotHub, match: TelemetryMatch = {}): Promise<TelemetryMessage> {
  const { deviceId, where = () => true, timeoutMs = 5000 } = match;
  const fits = (message: TelemetryMessage): boolean =>
    (deviceId === undefined || message.deviceId === deviceId) && where(message);
  const found = await hub.telemetry.waitFor(fits, { timeoutMs });
  if (found) return found;
  const seen = hub.telemetry.list().map((message) => `${message.deviceId}#${message.sequenceNumber}`);
  throw new Error(
    `No telemetry that fits came to hub ${hub.name} within ${timeoutMs} ms; there is: ${seen.join(', ') || 'none'}.`,
  );
}
