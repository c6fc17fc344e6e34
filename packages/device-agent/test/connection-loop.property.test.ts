import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Clock, DeviceAgentErrorCode } from '../src/index.ts';
import { ConnectionLoop } from '../src/agent/connection-loop.ts';
import type { ConnectionState } from '../src/agent/connection-status.ts';
import type { Destination } from '../src/agent/fleet.ts';
import type { FoundHub } from '../src/agent/hub-finder.ts';
import { transitions, type Phase, type TransitionEvent } from '../src/agent/phase.ts';
import { Reconnection } from '../src/agent/reconnection.ts';
import { exponentialBackoff } from '../src/agent/retry-policy.ts';
import { DeviceAgentError } from '../src/errors.ts';

// The loop alone, with every outcome that a hub and DPS may have, in any order; LOOP_RUNS sets how many lives are lived.

const hubCodes = [
  'ERR_AGENT_HUB_UNREACHABLE',
  'ERR_AGENT_HUB_REFUSED',
  'ERR_AGENT_HUB_BUSY',
  'ERR_AGENT_SERVER_UNTRUSTED',
  'ERR_AGENT_CERTIFICATE_EXPIRED',
  'ERR_AGENT_CERTIFICATE_NOT_YET_VALID',
  'ERR_AGENT_STATE',
] as const satisfies readonly DeviceAgentErrorCode[];
const dpsCodes = [
  'ERR_AGENT_DPS_UNREACHABLE',
  'ERR_AGENT_DPS_REFUSED',
  'ERR_AGENT_DPS_DISABLED',
  'ERR_AGENT_DPS_BUSY',
  'ERR_AGENT_DPS_FAILED',
  'ERR_AGENT_SERVER_UNTRUSTED',
  'ERR_AGENT_STATE',
] as const satisfies readonly DeviceAgentErrorCode[];

/** What becomes of the next try: of its registration, where it has one, and of its connection. */
interface Fate {
  readonly dps: (typeof dpsCodes)[number] | 'assigned' | 'bug';
  readonly hub: (typeof hubCodes)[number] | 'lost' | 'bug' | 'late bug';
  readonly azureCode: number;
  readonly retryAfterMs: number | undefined;
  /** Milliseconds that the connection lasts. */
  readonly lastsMs: number;
  /** Somebody redirects, or stops, at that step of the try. */
  readonly turn: { readonly at: Moment; readonly what: Destination | 'stop' } | undefined;
}

const moments = ['waiting', 'registering', 'connecting', 'connected', 'retry', 'delay', 'status'] as const;
type Moment = (typeof moments)[number];

const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 3 });

const fates = fc.array(
  fc.record<Fate>({
    dps: fc.constantFrom('assigned', 'assigned', 'bug', ...dpsCodes),
    hub: fc.constantFrom('lost', 'lost', 'bug', 'late bug', ...hubCodes),
    azureCode: fc.constantFrom(0, 1, 3, 5, 429, 429_001, 401_002, 500_000),
    retryAfterMs: fc.constantFrom(undefined, 0, 5_000, 3_600_000),
    lastsMs: fc.constantFrom(0, 1, 59_000, 60_000, 86_400_000),
    turn: rarely(
      fc.record({
        at: fc.constantFrom(...moments),
        what: fc.constantFrom<Destination | 'stop'>('hub', 'dps', 'dps', 'stop'),
      }),
    ),
  }),
  { minLength: 1, maxLength: 40, size: 'max' },
);

const settings = fc.record({
  canProvision: fc.boolean(),
  isHubKept: fc.boolean(),
  isMoving: fc.boolean(),
  onRefusal: fc.constantFrom('retry-slowly' as const, 'end' as const),
  maximumAttempts: fc.constantFrom(Infinity, 3, 12),
  startWindowMs: fc.constantFrom(0, 60_000),
  random: fc.constantFrom(0, 0.3, 0.999),
});

type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

/** One life, from `run` to its end: when its fates are used up it is stopped. */
class Life {
  readonly steps: TransitionEvent[] = [];
  readonly states: ConnectionState[] = [];
  readonly faults: string[] = [];
  readonly #fates: Fate[];
  readonly #stopping = new AbortController();
  readonly #loop: ConnectionLoop;
  #nowMs = Date.parse('2026-01-01T00:00:00Z');
  #fate: Fate | undefined;
  #connections = 0;
  #endConnection: (() => void) | undefined;
  /** Not followed yet. */
  #redirection: { readonly to: Destination; readonly atMs: number } | undefined;
  readonly #canProvision: boolean;
  #hub: FoundHub | undefined;
  #isMoving: boolean;

  constructor(
    { canProvision, isHubKept, isMoving, onRefusal, startWindowMs, ...rest }: Settings,
    fates: readonly Fate[],
  ) {
    this.#fates = [...fates];
    this.#canProvision = canProvision;
    this.#hub = isHubKept || !canProvision ? { hostName: 'hub', deviceId: 'd', isKept: true } : undefined;
    this.#isMoving = isMoving && canProvision;
    const random = (): number => rest.random;
    const policy = exponentialBackoff({ random, maximumAttempts: rest.maximumAttempts });
    this.#loop = new ConnectionLoop({
      clock: this.#clock(),
      reconnection: new Reconnection({ policy, fleet: { size: 1, startWindowMs }, onRefusal, canProvision, random }),
      signal: this.#stopping.signal,
      canProvision,
      keptHub: () => this.#hub,
      isMoving: () => this.#isMoving,
      order: () => (this.#isMoving ? 'it was told to move' : undefined),
      register: () => this.#register(),
      connect: () => this.#connect(),
      disconnect: () => this.#endConnection?.(),
      onTransition: (event) => this.#step(event),
      onState: (state) => {
        this.states.push(state);
        this.#moment('status');
      },
      onFailure: () => undefined,
      onRetry: () => this.#moment('retry'),
    });
  }

  async live(): Promise<DeviceAgentError | undefined> {
    return this.#loop.run();
  }

  #step(event: TransitionEvent): void {
    this.steps.push(event);
    const { from, to } = event;
    if (from === 'waiting') this.#checkFollowed(to);
    if (to === 'waiting') this.#nextFate();
    if (to !== 'stopped') this.#moment(to);
  }

  /** The next step goes where it was sent, and no time has gone by. */
  #checkFollowed(to: Phase): void {
    if (!this.#redirection || to === 'stopped') return;
    const { to: wanted, atMs } = this.#redirection;
    if (this.#nowMs !== atMs) this.faults.push(`${this.#nowMs - atMs} ms went by`);
    if (wanted === 'dps' && this.#canProvision && to !== 'registering') this.faults.push('it went to the hub');
    this.#redirection = undefined;
  }

  #nextFate(): void {
    this.#fate = this.#fates.shift();
    if (!this.#fate) this.#stopping.abort();
  }

  #moment(at: Moment): void {
    const { turn } = this.#fate ?? {};
    if (turn?.at !== at) return;
    this.#fate = { ...(this.#fate as Fate), turn: undefined };
    if (turn.what === 'stop') {
      this.#stopping.abort();
      return;
    }
    this.#redirection = { to: turn.what, atMs: this.#nowMs };
    this.#loop.redirect(turn.what, 'somebody wants it');
  }

  async #register(): Promise<FoundHub> {
    await Promise.resolve();
    const { dps = 'assigned' } = this.#fate ?? {};
    if (dps !== 'assigned' || this.#stopping.signal.aborted) {
      if (dps === 'ERR_AGENT_DPS_REFUSED') this.#isMoving = false;
      throw this.#failure(dps);
    }
    this.#isMoving = false;
    this.#hub = { hostName: 'hub', deviceId: 'd', isKept: true };
    return { ...this.#hub, isKept: false };
  }

  async #connect(): Promise<{ readonly lost: Promise<DeviceAgentError> }> {
    await Promise.resolve();
    const { hub = 'lost', lastsMs = 0 } = this.#fate ?? {};
    // Told to stop right after the hub's answer, it may still come to be.
    if (hub !== 'lost' && hub !== 'late bug') throw this.#failure(hub);
    this.#connections += 1;
    if (this.#connections > 1) this.faults.push('two connections');
    const lost = new Promise<DeviceAgentError>((resolve) => {
      const end = (): void => {
        if (this.#endConnection !== end) return;
        this.#endConnection = undefined;
        this.#connections -= 1;
        resolve(new DeviceAgentError('ERR_AGENT_HUB_UNREACHABLE', 'the connection was lost', { advice: 'none' }));
      };
      this.#endConnection = end;
      setImmediate(() => {
        if (this.#endConnection !== end) return;
        if (this.#stopping.signal.aborted) this.faults.push('a connection outlives the stop');
        this.#nowMs += lastsMs;
        end();
      });
    });
    if (hub === 'late bug') throw this.#failure(hub);
    return { lost };
  }

  #failure(fate: Fate['dps'] | Fate['hub']): Error {
    if (!fate.startsWith('ERR_')) return new Error('a bug in what the loop drives');
    const { azureCode, retryAfterMs } = this.#fate as Fate;
    return new DeviceAgentError(fate as DeviceAgentErrorCode, fate, {
      advice: 'none',
      azureCode,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }

  /** Every delay ends in the next turn, unless somebody ends it before. */
  #clock(): Clock {
    return {
      now: () => new Date(this.#nowMs),
      delay: (milliseconds, signal) =>
        new Promise((resolve, reject) => {
          if (signal.aborted) reject(signal.reason as Error);
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
          this.#nowMs += milliseconds;
          queueMicrotask(() => this.#moment('delay'));
          setImmediate(resolve);
        }),
    };
  }
}

describe('the connection loop, whatever hub and DPS answer', () => {
  it('walks every transition of the table and no other, holds one connection, and follows every redirection', async () => {
    const walked = new Set<string>();
    await fc.assert(
      fc.asyncProperty(settings, fates, async (how, what) => {
        const life = new Life(how, what);
        const error = await life.live();
        let phase: Phase = 'stopped';
        for (const { from, to, cause } of life.steps) {
          expect(from).toBe(phase);
          expect(transitions[from]).toContain(to);
          expect(cause).not.toBe('');
          walked.add(`${from} ${to}`);
          phase = to;
        }
        expect(phase).toBe('stopped');
        expect(life.faults).toEqual([]);
        const last = life.states.at(-1);
        expect(last?.status === 'Closed').toBe(error === undefined);
        if (error === undefined) return;
        expect(how.onRefusal === 'end' || error.code === 'ERR_AGENT_RETRY_EXPIRED').toBe(true);
        expect(last?.status).toBe('Disconnected');
        expect(['OpenConnection', 'Quit']).toContain(last?.recommendedAction);
      }),
      { numRuns: Number(process.env['LOOP_RUNS'] ?? 3_000) },
    );
    const drawn = Object.entries(transitions).flatMap(([from, all]) => all.map((to) => `${from} ${to}`));
    expect([...walked].sort()).toEqual(drawn.sort());
  }, 120_000);

  it('follows an order from before it ran', async () => {
    const how = { canProvision: true, isHubKept: true, isMoving: true, onRefusal: 'end' as const };
    const life = new Life({ ...how, maximumAttempts: 3, startWindowMs: 60_000, random: 0.3 }, [
      { dps: 'assigned', hub: 'lost', azureCode: 0, retryAfterMs: undefined, lastsMs: 1, turn: undefined },
    ]);
    await life.live();
    expect(life.steps.map(({ to }) => to).slice(0, 3)).toEqual(['waiting', 'registering', 'connecting']);
  });
});
