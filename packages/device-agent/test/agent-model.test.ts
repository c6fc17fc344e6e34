import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Fault } from '@contoso/azure-iot-emulator';
import fc from 'fast-check';
import { AgentWorld, turns } from './agent-world.ts';
import { dpsName, hubName, startContoso, type Contoso } from './contoso.ts';

// Whole agents against the emulator, with whatever may happen to them, in any order. AGENT_RUNS sets how many lives are
// lived (default 12, a few seconds; 500 take some minutes); AGENT_SEED plays one series again.

type Command = fc.AsyncCommand<object, AgentWorld>;

let contoso: Contoso;
let devices = 0;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(() => contoso.close());

const command = (
  name: string,
  run: (world: AgentWorld) => void | Promise<void>,
  needsRunning = false,
): fc.Arbitrary<Command> =>
  fc.constant({
    check: () => true,
    toString: () => name,
    run: async (_model, world) => {
      world.tell(name);
      if (!needsRunning || world.isRunning) await run(world);
      await turns(3);
      expect(world.problems()).toEqual([]);
    },
  });

const faultsOf = (deviceId: string): Readonly<Record<string, Fault>> => ({
  'hub down': { kind: 'hubDown', hub: hubName },
  'DPS down': { kind: 'drop', dps: dpsName, deviceId },
  'disabled in the hub': { kind: 'deviceDisabled', deviceId },
  'storm of 429': { kind: 'throttle', share: 0.7, deviceId },
  'serves half': { kind: 'serverError', status: 503, share: 0.5, deviceId },
  freeze: { kind: 'freeze', deviceId },
  'network gone': { kind: 'drop', deviceId },
  'black hole': { kind: 'blackHole', deviceId },
  'half open': { kind: 'halfOpen', deviceId, times: 1 },
  'telemetry lost': { kind: 'messageLost', message: 'telemetry', loss: 'acknowledgement', times: 1, deviceId },
  'command lost': { kind: 'messageLost', message: 'cloudToDevice', loss: 'acknowledgement', times: 1, deviceId },
});

const anyFault = fc.constantFrom(...Object.keys(faultsOf('')));

const commands = fc.commands(
  [
    anyFault.chain((name) =>
      command(`begin ${name}`, (world) => {
        const fault = faultsOf(world.deviceId)[name];
        if (fault) world.begin(name, fault);
      }),
    ),
    anyFault.chain((name) => command(`end ${name}`, (world) => world.end(name))),
    command('cut', (world) => world.cut()),
    command('remove from the hub', (world) => world.remove()),
    command('disable the group', (world) => world.setGroup('disabled')),
    command('enable the group', (world) => world.setGroup('enabled')),
    command('enroll by itself', (world) => world.enroll('enabled')),
    command('disable its own enrollment', (world) => world.enroll('disabled')),
    command('delete its own enrollment', (world) => world.unenroll()),
    command('send', (world) => world.send(), true),
    command('send', (world) => world.send(), true),
    fc
      .record({ name: fc.constantFrom('a', 'b'), value: fc.constantFrom(1, 2, null, { c: 3 }) })
      .chain(({ name, value }) => command(`report ${name}`, (world) => world.report({ [name]: value }), true)),
    fc
      .record({ name: fc.constantFrom('x', 'y'), value: fc.constantFrom(1, 2, null, { z: 3 }) })
      .chain(({ name, value }) => command(`desire ${name}`, (world) => world.desire({ [name]: value }))),
    command('cloud to device', (world) => world.command()),
    command('call', (world) => world.call('echo')),
    command('reprovision', (world) => world.reprovision(), true),
    command('reprovision by method', (world) => world.call('reprovision')),
    command('reprovision by twin', (world) => world.order()),
    fc.constantFrom(0, 0, 5_000).chain((graceMs) => command(`stop within ${graceMs}`, (world) => world.stop(graceMs))),
    command('start', (world) => world.start()),
    fc.integer({ min: 10, max: 400 }).chain((count) =>
      command(`let it run for ${count}`, async () => {
        await turns(count);
      }),
    ),
  ],
  { maxCommands: 40, size: 'max' },
);

describe('a device, whatever happens to it', () => {
  it('is drawn in the state machine, comes back, and has lost nothing', async () => {
    const seed = process.env['AGENT_SEED'];
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const world = await AgentWorld.open(contoso, `model-${(devices += 1)}`);
        try {
          await fc.asyncModelRun(() => ({ model: {}, real: world }), steps);
          const taken = await world.heal();
          expect(world.left()).toEqual([]);
          expect(world.problems()).toEqual([]);
          expect(taken).toBeLessThan(200);
          expect(new Set(world.applied).size).toBe(world.applied.length);
          expect(world.answers.filter((answer) => answer !== true && answer !== 202)).toEqual([]);
        } catch (error) {
          throw new Error([String(error), ...world.story].join('\n'), { cause: error });
        } finally {
          await world.heal();
          await world.stop();
        }
      }),
      { numRuns: Number(process.env['AGENT_RUNS'] ?? 12), ...(seed !== undefined && { seed: Number(seed) }) },
    );
  }, 3_600_000);
});
