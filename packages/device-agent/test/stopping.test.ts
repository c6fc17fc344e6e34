import { EventEmitter, once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DeviceAgentOptions, DeviceIdentity } from '../src/index.ts';
import { issueIdentity, startContoso, watchedAgent, type Contoso, type Watched } from './contoso.ts';

// What handlers do while the agent is being stopped, and delivers what it still can.

let contoso: Contoso;
let devices = 0;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(() => contoso.close());

interface Stopping {
  readonly identity: DeviceIdentity;
  readonly stateFolder: string;
  readonly watched: Watched;
  /** Lets the handler go on, and resolves when it has ended and the agent has stopped. */
  readonly goOn: () => Promise<void>;
}

/** An agent that is being stopped: its handler is at work, and telemetry waits for an acknowledgement that was lost. */
const stopWhileHandling = async (
  begin: (deviceId: string) => void,
  options: (atWork: () => Promise<void>, agent: () => Watched['agent']) => Partial<DeviceAgentOptions>,
): Promise<Stopping> => {
  const identity = await issueIdentity(contoso, `stopping-${(devices += 1)}`);
  const { registrationId } = identity;
  const gate = new EventEmitter();
  const begun = once(gate, 'begun');
  const atWork = async (): Promise<void> => {
    gate.emit('begun');
    await once(gate, 'open');
  };
  const stateFolder = await mkdtemp(join(contoso.folder, 'stopping-'));
  const watched: Watched = watchedAgent(contoso, identity, {
    ...options(atWork, () => watched.agent),
    stateFolder,
  });
  await watched.agent.start();
  await watched.next('subscribed');
  begin(registrationId);
  await begun;
  contoso.azure.faults.add({
    ...{ kind: 'messageLost', message: 'telemetry', loss: 'acknowledgement', times: 1 },
    deviceId: registrationId,
  });
  await watched.agent.send({ body: 'the last' });
  const stopped = watched.agent.stop(60_000);
  return {
    identity,
    stateFolder,
    watched,
    goOn: async () => {
      gate.emit('open');
      // It is delivered over the next connection.
      contoso.hub.dropConnection(registrationId);
      await expect(stopped).resolves.toEqual({ undeliveredMessages: 0 });
    },
  };
};

const patchDesired = (deviceId: string, desired: Record<string, unknown>): void =>
  void contoso.hub.updateTwin(deviceId, { properties: { desired } } as never, {
    mode: 'patch',
    precondition: undefined as never,
  });

const reportedOf = (deviceId: string): Record<string, unknown> =>
  (contoso.hub.twinOf(deviceId) as unknown as { properties: { reported: Record<string, unknown> } }).properties
    .reported;

const failures = ({ events }: Watched): unknown[] => events.filter(({ type }) => type === 'handler-failed');

describe('while the agent is being stopped', () => {
  it('a desired change whose handler fails for that is not refused: it is handled again after the next start', async () => {
    const { identity, stateFolder, watched, goOn } = await stopWhileHandling(
      (deviceId) => patchDesired(deviceId, { target: 22 }),
      (atWork, agent) => ({
        onDesired: async ({ properties }) => {
          if ('target' in properties) await atWork();
          agent().report({ used: true });
          return {};
        },
      }),
    );
    patchDesired(identity.registrationId, { later: 1 });
    await goOn();
    expect(failures(watched)).toEqual([]);
    expect(reportedOf(identity.registrationId)).not.toHaveProperty('target');

    const seen: unknown[] = [];
    const again = watchedAgent(contoso, identity, {
      stateFolder,
      onDesired: ({ properties }) => {
        seen.push(properties);
        return { target: { value: properties['target'] } };
      },
    });
    await again.agent.start();
    await again.next('reported', ({ properties }) => 'target' in properties);
    expect(seen).toEqual([{ target: 22, later: 1 }]);
    expect(reportedOf(identity.registrationId)).toMatchObject({ target: { value: 22, ac: 200, av: 3 } });
    await again.agent.stop();
  });

  it('a desired change whose handler comes to its end is acknowledged as it says', async () => {
    const { identity, stateFolder, goOn } = await stopWhileHandling(
      (deviceId) => patchDesired(deviceId, { target: 22 }),
      (atWork) => ({
        onDesired: async ({ properties }) => {
          if ('target' in properties) await atWork();
          return { target: { value: properties['target'] } };
        },
      }),
    );
    await goOn();
    const seen: unknown[] = [];
    const again = watchedAgent(contoso, identity, {
      stateFolder,
      onDesired: ({ properties }) => void seen.push(properties),
    });
    await again.agent.start();
    await again.next('subscribed');
    patchDesired(identity.registrationId, { marker: 1 });
    await again.next('desired-handled', () => seen.length > 0);
    await again.next('reported', ({ properties }) => 'target' in properties);
    expect(seen).toEqual([{ marker: 1 }]);
    expect(reportedOf(identity.registrationId)).toMatchObject({ target: { value: 22, ac: 200, av: 2 } });
    await again.agent.stop();
  });

  it('a message whose handler fails for that counts no failure: it is handed over again after the next start', async () => {
    const { identity, stateFolder, watched, goOn } = await stopWhileHandling(
      (deviceId) => void contoso.hub.sendToDevice(deviceId, { body: Buffer.from('unlock') }),
      (atWork, agent) => ({
        messages: { maximumAttempts: 1 },
        onMessage: async () => {
          await atWork();
          await agent().send({ body: 'unlocked' });
        },
      }),
    );
    await goOn();
    expect(failures(watched)).toEqual([]);
    const seen: string[] = [];
    const again = watchedAgent(contoso, identity, {
      stateFolder,
      onMessage: ({ body }, { isRepeated }) => void seen.push(`${body.toString()} ${isRepeated}`),
    });
    await again.agent.start();
    await again.next('message-completed');
    expect(seen).toEqual(['unlock true']);
    await again.agent.stop();
  });
});
