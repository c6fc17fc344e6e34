import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../src/index.ts';
import { issueIdentity, startContoso, watchedAgent, type Contoso, type Watched } from './contoso.ts';

let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(() => contoso.close());

/** The machine's clock, on which the grace time of a stop passes when it is told to. */
class GraceClock implements Clock {
  readonly graceMs = 123_456;
  /** Ends the grace time. */
  pass: () => void = () => undefined;

  now(): Date {
    return new Date();
  }

  delay(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (milliseconds !== this.graceMs) return systemClock.delay(milliseconds, signal);
    return new Promise((resolve, reject) => {
      this.pass = resolve;
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }
}

const arrivals = (deviceId: string): number =>
  new Set(
    contoso.hub.telemetry
      .list()
      .filter((message) => message.deviceId === deviceId)
      .map(({ systemProperties }) => systemProperties['message-id']),
  ).size;

describe('a stop whose connection drops and comes back within its grace time', () => {
  const freeze = (deviceId: string): (() => void) => contoso.azure.faults.add({ kind: 'freeze', deviceId });

  /** Five messages are on disk, and the hub has gone silent, when it is told to stop. */
  const stopWithBacklog = async (deviceId: string) => {
    const clock = new GraceClock();
    const watched = watchedAgent(contoso, await issueIdentity(contoso, deviceId), { clock });
    await watched.agent.start();
    const thaw = freeze(deviceId);
    for (let number = 0; number < 5; number += 1) await watched.agent.send({ body: { number } });
    return { ...watched, clock, thaw, stopping: watched.agent.stop(clock.graceMs) };
  };

  const reconnect = async (deviceId: string, { events, next }: Pick<Watched, 'events' | 'next'>): Promise<void> => {
    contoso.hub.dropConnection(deviceId);
    await next('transition', ({ from }) => from === 'connected');
    const before = events.length;
    await next('transition', (event) => event.to === 'connected' && events.indexOf(event) >= before);
  };

  it('delivers over the new one, and ends it', async () => {
    const { agent, thaw, stopping, ...watched } = await stopWithBacklog('stopped-and-cut');
    thaw();
    await reconnect('stopped-and-cut', watched);
    await expect(stopping).resolves.toEqual({ undeliveredMessages: 0 });
    expect(arrivals('stopped-and-cut')).toBe(5);
    expect(agent.state.status).toBe('Closed');
    await contoso.hub.waitForDisconnection('stopped-and-cut', { timeoutMs: 10_000 });
  });

  it('ends the new one when the time is over, and says what is left', async () => {
    const { agent, clock, thaw, stopping, ...watched } = await stopWithBacklog('stopped-in-vain');
    thaw();
    await reconnect('stopped-in-vain', watched);
    const thawAgain = freeze('stopped-in-vain');
    clock.pass();
    await expect(stopping).resolves.toEqual({ undeliveredMessages: 5 });
    expect(agent.state.status).toBe('Closed');
    thawAgain();
    await contoso.hub.waitForDisconnection('stopped-in-vain', { timeoutMs: 10_000 });
  });
});
