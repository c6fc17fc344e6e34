import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Clock, DeviceAgentOptions } from '../src/index.ts';
import { dpsName, issueIdentity, startContoso, watchedAgent, type Contoso, type Watched } from './contoso.ts';
import {
  assignedTo,
  assigning,
  startScriptedDps,
  type DpsScriptAnswer,
  type DpsScriptQuestion,
  type ScriptedDps,
} from './scripted-dps.ts';
import { makeTlsSite } from './tls-site.ts';

// Whole agents, and how long they leave DPS alone, by their own clock.

const site = makeTlsSite(['localhost']);
let contoso: Contoso;
const agents: Watched[] = [];
const servers: ScriptedDps[] = [];

beforeAll(async () => {
  contoso = await startContoso();
});

afterEach(async () => {
  for (const { agent } of agents.splice(0)) await agent.stop(0);
  for (const server of servers.splice(0)) server.close();
});

afterAll(() => contoso.close());

/** What is waited for passes at once, and the time with it; what bounds an answer's time or watches a connection, never. */
class WaitingClock implements Clock {
  #nowMs = Date.now();

  now(): Date {
    return new Date(this.#nowMs);
  }

  delay(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      // An answer's 30 seconds, half of that to look at a connection, a goodbye's second.
      if ([1_000, 15_000, 30_000].includes(milliseconds)) return;
      setImmediate(() => {
        if (signal.aborted) return;
        signal.removeEventListener('abort', onAbort);
        this.#nowMs += milliseconds;
        resolve();
      });
    });
  }
}

interface Asking {
  readonly watched: Watched;
  readonly questions: readonly DpsScriptQuestion[];
  /** Milliseconds between each question and the next. */
  readonly gaps: () => number[];
}

/** An agent that asks a DPS which answers like this. */
async function ask(
  deviceId: string,
  answer: (number: number, question: DpsScriptQuestion) => DpsScriptAnswer,
  options: Partial<DeviceAgentOptions> = {},
): Promise<Asking> {
  const clock = new WaitingClock();
  const dps = await startScriptedDps(site, answer, () => clock.now());
  servers.push(dps);
  const watched = watchedAgent(contoso, await issueIdentity(contoso, deviceId), {
    connectTo: { idScope: '0ne00000000', endpoint: dps.endpoint },
    trustedRootsPem: site.rootPem + contoso.azure.cloud.trustedRootsPem,
    clock,
    random: () => 0.5,
    ...options,
  });
  agents.push(watched);
  watched.agent.start().catch(() => undefined);
  const { questions } = dps;
  const gaps = (): number[] => questions.slice(1).map(({ atMs }, index) => atMs - (questions[index]?.atMs ?? 0));
  return { watched, questions, gaps };
}

const assigned = { status: 200, body: assignedTo('nowhere.localhost:9', 'device') };
const inTurn =
  (...answers: readonly DpsScriptAnswer[]) =>
  (number: number): DpsScriptAnswer =>
    answers[number] ?? assigned;

describe('the time that DPS names is waited, in seconds, and nothing beside it', () => {
  it.each<[string, DpsScriptAnswer[], number[]]>([
    ['on registering', [{ status: 202, retryAfter: 7, body: assigning }], [7_000]],
    [
      'on polling, each time anew',
      [
        { status: 202, retryAfter: 3, body: assigning },
        { status: 202, retryAfter: 11, body: assigning },
        { status: 202, retryAfter: 61, body: assigning },
      ],
      [3_000, 11_000, 61_000],
    ],
    [
      'with the 429 and the 503 of a poll, and the operation goes on',
      [
        { status: 202, retryAfter: 3, body: assigning },
        { status: 429, retryAfter: 9, body: { errorCode: 429001, message: 'too many' } },
        { status: 503, retryAfter: 12, body: {} },
      ],
      [3_000, 9_000, 12_000],
    ],
  ])('%s', async (what, answers, gaps) => {
    const asking = await ask(`waits ${what}`.replace(/\W+/g, '-').toLowerCase().slice(0, 40), inTurn(...answers));
    await asking.watched.next('provisioned');
    expect(asking.gaps()).toEqual(gaps);
    expect(asking.questions.map(({ kind }) => kind)).toEqual(['register', ...gaps.map(() => 'poll')]);
  });

  it('with the 429 of a registration, before the next one', async () => {
    const busy = { status: 429, retryAfter: 40, body: { errorCode: 429001, message: 'too many' } };
    const { watched, questions, gaps } = await ask('waits-for-room', inTurn(busy, { ...busy, retryAfter: 95 }));
    await watched.next('provisioned');
    expect(gaps()).toEqual([40_000, 95_000]);
    expect(questions.map(({ kind }) => kind)).toEqual(['register', 'register', 'register']);
    const retries = watched.events.flatMap((event) => (event.type === 'retry' ? [event] : []));
    expect(retries.slice(0, 2)).toMatchObject([
      { delayMs: 40_000, error: { code: 'ERR_AGENT_DPS_BUSY', azureCode: 429001, retryAfterMs: 40_000 } },
      { delayMs: 95_000, error: { retryAfterMs: 95_000 } },
    ]);
  });

  it('with the 429 of the emulator’s DPS, too', async () => {
    const { cloud, faults } = contoso.azure;
    const dps = contoso.azure.dps(dpsName);
    const end = faults.add({ kind: 'throttle', dps: dpsName, retryAfterSeconds: 77, times: 1 });
    const before = dps.registerCalls('throttled-once');
    const { watched } = await ask('throttled-once', () => assigned, {
      connectTo: { idScope: contoso.idScope, endpoint: cloud.provisioningDeviceEndpoint },
    });
    const { delayMs, error } = await watched.next('retry');
    await watched.next('status', ({ state }) => state.status === 'Connected');
    end();
    expect({ delayMs, code: error.code }).toEqual({ delayMs: 77_000, code: 'ERR_AGENT_DPS_BUSY' });
    expect(dps.registerCalls('throttled-once') - before).toBe(1);
  });
});

describe('where DPS names no time', () => {
  it('it is asked after seconds that grow', async () => {
    const still = { status: 202, body: assigning };
    const { watched, gaps } = await ask('unnamed', inTurn(still, still, still));
    await watched.next('provisioned');
    expect(gaps()).toEqual([4_500, 6_500, 10_500]);
  });

  it.each([
    ['0', 12],
    ['soon', 6],
    ['-5', 6],
    ['1e9', 6],
    ['', 6],
  ])('it is asked no more than five times in ten seconds: retry-after=%s', async (retryAfter, count) => {
    const still = { status: 202, retryAfter, body: assigning };
    const { watched, questions } = await ask(
      `pace-${count}-${Buffer.from(retryAfter).toString('hex')}z`,
      inTurn(...Array.from({ length: count }, () => still)),
    );
    await watched.next('provisioned');
    const polls = questions.filter(({ kind }) => kind === 'poll');
    expect(polls).toHaveLength(count);
    for (const [index, { atMs }] of polls.entries()) {
      const sixth = polls[index + 5];
      if (sixth) expect(sixth.atMs - atMs).toBeGreaterThan(10_000);
    }
  });
});

describe('a registration that isn’t decided', () => {
  const fiveMinutes = 5 * 60_000;

  it.each<[string, DpsScriptAnswer]>([
    ['stays assigning', { status: 202, retryAfter: 3, body: assigning }],
    ['stays assigning and names no time', { status: 202, body: assigning }],
    ['meets a 429 with each poll', { status: 429, retryAfter: 12, body: { errorCode: 429001 } }],
  ])('is given up after five minutes: it %s', async (what, later) => {
    const deviceId = `undecided-${what.length}`;
    const { watched, questions } = await ask(deviceId, (number) =>
      number === 0 ? { status: 202, retryAfter: 3, body: assigning } : later,
    );
    const { error } = await watched.next('retry');
    expect(error).toMatchObject({
      code: 'ERR_AGENT_DPS_BUSY',
      retryAfterMs: later.retryAfter && Number(later.retryAfter) * 1_000,
    });
    expect(error.message).toMatch(new RegExp(`registration of ${deviceId}.* not decided .*5 min`));
    const [first, last] = [questions[0], questions.filter(({ kind }) => kind === 'poll').at(-1)];
    const lasted = (last?.atMs ?? 0) - (first?.atMs ?? 0);
    expect(lasted).toBeLessThanOrEqual(fiveMinutes);
    expect(lasted).toBeGreaterThan(fiveMinutes - 120_000);
  });

  it('is given up at once where DPS names a longer time, and that is waited', async () => {
    const { watched, gaps } = await ask(
      'told-to-go',
      inTurn({ status: 202, retryAfter: 3, body: assigning }, { status: 429, retryAfter: 900, body: {} }),
    );
    await watched.next('provisioned');
    expect(gaps()).toEqual([3_000, 900_000]);
  });

  it('keeps no device from the hub that it has, and a move there is given up', async () => {
    const clock = new WaitingClock();
    const never = await startScriptedDps(
      site,
      () => ({ status: 202, retryAfter: 10, body: assigning }),
      () => clock.now(),
    );
    servers.push(never);
    const { watched } = await ask('moved-in-vain', () => assigned, {
      clock,
      connectTo: { idScope: contoso.idScope, endpoint: contoso.azure.cloud.provisioningDeviceEndpoint },
    });
    await watched.next('status', ({ state }) => state.status === 'Connected');
    watched.agent.reprovision({ idScope: '0ne00000099', endpoint: never.endpoint });
    const { error } = await watched.next('move-refused');
    expect(error).toMatchObject({ code: 'ERR_AGENT_DPS_BUSY' });
    const moved = watched.events.length;
    await watched.next('connecting', (event) => event.isKept && watched.events.indexOf(event) >= moved);
    expect(never.questions.filter(({ kind }) => kind === 'register')).toHaveLength(5);
  });
});
