import type { Clock } from '../src/index.ts';
import { DeviceAgentError } from '../src/errors.ts';
import type { TwinSession } from '../src/twin/twin-session.ts';

export type Json = Readonly<Record<string, unknown>>;

/** A merge of its own, so that one misreading doesn't pass on both sides. */
export function merged(target: Json, patch: Json): Json {
  const result = structuredClone(target) as Record<string, unknown>;
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, key);
    else if (isObject(value)) result[key] = merged(isObject(result[key]) ? result[key] : {}, value);
    else result[key] = value;
  }
  return result;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Lets everything run that waits for a turn of the event loop. */
export async function turns(count = 30): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Pauses between tries take one turn; what bounds a handler never ends. */
export const hastyClock: Clock = {
  now: () => new Date('2026-01-01T00:00:00Z'),
  delay: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      if (milliseconds >= 200_000) return;
      setImmediate(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    }),
};

/** What happens to the next reported patches. */
export type Fate = 'lost-answer' | 'busy' | 'refused' | 'taken';

/** One device's twin as a hub keeps it, for tests that need thousands of faults; the emulator is the measure of the rest. */
export class ModelHub {
  desired: Json = {};
  desiredVersion = 1;
  reported: Json = {};
  reportedVersion = 1;
  readonly patches: { readonly patch: Json; readonly before: Json }[] = [];
  readonly fates: Fate[] = [];
  /** The next notifications don't arrive. */
  lostNotifications = 0;
  /** Turns until the answer to a get, which was true when it was asked for. */
  answerDelayTurns = 1;
  #session: object | undefined;
  #onDesired: (patch: Json) => void = () => undefined;

  connect(onDesired: (patch: Json) => void): TwinSession {
    const session = {};
    this.#session = session;
    this.#onDesired = onDesired;
    return {
      getTwin: async () => {
        const answer = {
          desired: { ...this.desired, $version: this.desiredVersion },
          reported: { ...this.reported, $version: this.reportedVersion },
        };
        await turns(this.answerDelayTurns);
        this.#check(session);
        return structuredClone(answer);
      },
      report: async (patch) => {
        await turns(1);
        this.#check(session);
        const fate = this.fates.shift();
        if (fate === 'busy')
          throw new DeviceAgentError('ERR_AGENT_HUB_BUSY', 'status 429', {
            advice: 'wait',
            azureCode: 429,
            retryAfterMs: 1,
          });
        if (fate === 'refused')
          throw new DeviceAgentError('ERR_AGENT_TWIN', 'status 400', { advice: 'Keep to the limits.' });
        this.patches.push({ patch: structuredClone(patch), before: this.reported });
        this.reported = merged(this.reported, patch);
        this.reportedVersion += 1;
        if (fate !== 'lost-answer') return this.reportedVersion;
        throw new DeviceAgentError('ERR_AGENT_HUB_UNREACHABLE', 'no answer', { advice: 'none' });
      },
    };
  }

  disconnect(): void {
    this.#session = undefined;
  }

  patchDesired(patch: Json): void {
    this.desired = merged(this.desired, patch);
    this.desiredVersion += 1;
    if (!this.#session) return;
    if (this.lostNotifications > 0) this.lostNotifications -= 1;
    else this.#onDesired({ ...structuredClone(patch), $version: this.desiredVersion });
  }

  /** The device was made anew. */
  recreate(desired: Json): void {
    this.desired = desired;
    this.desiredVersion = 1;
    this.reported = {};
    this.reportedVersion = 1;
  }

  #check(session: object): void {
    if (this.#session !== session)
      throw new DeviceAgentError('ERR_AGENT_HUB_UNREACHABLE', 'the session has ended', { advice: 'none' });
  }
}
