import { issueDeviceCertificate, signDeviceRequest } from '@contoso/pki';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DeviceAgentError,
  estSource,
  loadIdentity,
  type CertificateFunction,
  type CertificateRenewalOptions,
  type CredentialStore,
  type DeviceIdentity,
} from '../src/index.ts';
import { memoryStore, openRenewal, type Opened } from './opened-renewal.ts';
import { issueIdentity } from './contoso.ts';
import { startContosoWithEst, type ContosoWithEst } from './est-server.ts';
import { ManualClock } from './manual-clock.ts';

const minute = 60_000;
const day = 1_440 * minute;
let contoso: ContosoWithEst;

beforeAll(async () => {
  contoso = await startContosoWithEst();
});

afterAll(() => contoso.close());

const sign: CertificateFunction = async (csrDer, { registrationId }) =>
  (await signDeviceRequest(contoso.line, csrDer, { registrationId, validityDays: 900 })).chainPem;

const open = (
  onboarding: DeviceIdentity,
  options: Partial<CertificateRenewalOptions> & { readonly store: CredentialStore },
): Promise<Opened> => openRenewal(onboarding, { source: sign, ...options });

describe('when it renews', () => {
  it('at 80 to 85 % of life, each device at its own time, and again from there', async () => {
    const places: number[] = [];
    for (let index = 0; index < 20; index += 1) {
      const identity = await issueIdentity(contoso, `fleet-${index}`);
      const { renewal } = await open(identity, { store: memoryStore() });
      const lifeMs = identity.notAfter.getTime() - identity.notBefore.getTime();
      places.push((renewal.dueAt().getTime() - identity.notBefore.getTime()) / lifeMs);
    }
    expect(Math.min(...places)).toBeGreaterThanOrEqual(0.8);
    expect(Math.max(...places)).toBeLessThan(0.85);
    expect(Math.max(...places) - Math.min(...places)).toBeGreaterThan(0.02);
  });

  it('by itself, time after time, and ends with its signal', async () => {
    const clock = new ManualClock();
    const onboarding = await loadIdentity(
      await issueDeviceCertificate(contoso.line, { registrationId: 'steady', validityDays: 100 }),
    );
    const stop = new AbortController();
    const renewedOn: number[] = [];
    const startedAt = clock.now().getTime();
    let onRenewed = (): void => undefined;
    const { renewal } = await open(onboarding, {
      store: memoryStore(),
      clock,
      source: async (csrDer) =>
        (await signDeviceRequest(contoso.line, csrDer, { allow: 'any', validityDays: 100, now: clock.now() })).chainPem,
      onEvent: ({ type }) => {
        if (type !== 'certificate-renewed') return;
        renewedOn.push((clock.now().getTime() - startedAt) / day);
        onRenewed();
      },
    });
    const running = renewal.run(stop.signal);
    for (let times = 0; times < 3; times += 1) {
      const renewed = new Promise<void>((resolve) => {
        onRenewed = resolve;
      });
      await clock.advance(renewal.dueAt().getTime() - clock.now().getTime());
      await renewed;
      renewal.connected(renewal.current());
    }
    stop.abort();
    await running;
    expect(renewedOn).toHaveLength(3);
    renewedOn.forEach((at, index) => {
      const since = at - (renewedOn[index - 1] ?? 0);
      expect(since > 79 && since < 86).toBe(true);
    });
  });

  it('again after 5 minutes, doubled, a day at most; and as the server says', async () => {
    const clock = new ManualClock();
    let error = new DeviceAgentError('ERR_AGENT_RENEWAL_UNREACHABLE', 'down', { advice: 'none' });
    const onboarding = await issueIdentity(contoso, 'retrying');
    const store = memoryStore();
    const { renewal, events } = await open(onboarding, { store, clock, source: () => Promise.reject(error) });
    const wait = async (): Promise<number> => {
      await renewal.renewNow().catch(() => undefined);
      const last = events.at(-1);
      return last?.type === 'renewal-failed' ? (last.retryAt.getTime() - clock.now().getTime()) / minute : -1;
    };
    const waits = [];
    for (let tries = 0; tries < 11; tries += 1) waits.push(await wait());
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
    error = new DeviceAgentError('ERR_AGENT_RENEWAL_PENDING', 'later', { advice: 'wait', retryAfterMs: 3 * minute });
    expect(await wait()).toBe(3);
    error = new DeviceAgentError('ERR_AGENT_RENEWAL_UNREACHABLE', 'busy', {
      advice: 'wait',
      retryAfterMs: 2_000 * minute,
    });
    expect(await wait()).toBe(2_000);
    const restarted = await open(onboarding, { store, clock });
    expect(restarted.renewal.dueAt().getTime()).toBe(clock.now().getTime() + day);
  });
});

describe('the clock', () => {
  it('before its own certificate: nothing is asked for', async () => {
    const onboarding = await issueIdentity(contoso, 'clock');
    const clock = new ManualClock(new Date(onboarding.notBefore.getTime() - 1_000));
    let asked = 0;
    const { renewal, events } = await open(onboarding, {
      store: memoryStore(),
      clock,
      source: () => Promise.reject(new Error(String((asked += 1)))),
    });
    await expect(renewal.renewNow()).rejects.toMatchObject({
      code: 'ERR_AGENT_CLOCK',
      message: expect.stringMatching(/can't be earlier than .*NTP/),
    });
    expect(asked).toBe(0);
    expect(events.at(-1)).toMatchObject({ type: 'renewal-failed', error: { code: 'ERR_AGENT_CLOCK' } });
  });

  it.each([
    ['far ahead of', 90, /90 minutes fast/],
    ['far behind', -90, /90 minutes slow/],
  ])('%s the EST server: no request goes out', async (_, minutes, message) => {
    const onboarding = await issueIdentity(contoso, 'clock-est');
    const serverTime = new Date(onboarding.notBefore.getTime() + day);
    const clock = new ManualClock(new Date(serverTime.getTime() + minutes * minute));
    contoso.est.answer = () => ({ headers: { date: serverTime.toUTCString() } });
    contoso.est.requests.length = 0;
    const source = estSource({ url: contoso.est.url, trustedRootsPem: contoso.est.trustedRootsPem });
    const { renewal } = await open(onboarding, { store: memoryStore(), clock, source });
    await expect(renewal.renewNow()).rejects.toMatchObject({
      code: 'ERR_AGENT_CLOCK',
      message: expect.stringMatching(message),
    });
    contoso.est.answer = () => undefined;
    expect(contoso.est.requests.map(({ method }) => method)).toEqual(['GET']);
  });
});

describe('falling back', () => {
  it('to the former and the first credential when they are refused, in a round; a new one is asked for at once', async () => {
    const onboarding = await issueIdentity(contoso, 'falling-back');
    const store = memoryStore();
    const { renewal, events } = await open(onboarding, { store });
    const first = await renewal.renewNow();
    renewal.connected(first);
    expect(renewal.dueAt().getTime()).toBeGreaterThan(Date.now() + day);
    renewal.refused(first);
    expect(renewal.current()).toBe(onboarding);
    expect(events.at(-1)).toEqual({
      type: 'credential-refused',
      certificate: first.certificate,
      next: onboarding.certificate,
    });
    expect(renewal.dueAt().getTime()).toBeGreaterThan(Date.now() + day);
    renewal.connected(onboarding);
    expect(renewal.dueAt().getTime()).toBeLessThanOrEqual(Date.now());
    const second = await renewal.renewNow();
    expect(renewal.current()).toBe(second);
    renewal.refused(second);
    renewal.refused(renewal.current());
    renewal.refused(renewal.current());
    expect(renewal.current()).toBe(second);
  });

  it('to the first credential when the renewed one has expired, and on from there', async () => {
    const clock = new ManualClock();
    const onboarding = await issueIdentity(contoso, 'asleep');
    const source: CertificateFunction = async (csrDer) =>
      (await signDeviceRequest(contoso.line, csrDer, { allow: 'any', validityDays: 30, now: clock.now() })).chainPem;
    const { renewal } = await open(onboarding, { store: memoryStore(), clock, source, onboardingOnly: true });
    expect(renewal.dueAt()).toEqual(clock.now());
    const renewed = await renewal.renewNow();
    expect(renewal.current()).toBe(renewed);
    expect(renewal.dueAt().getTime()).toBeGreaterThan(clock.now().getTime() + 23 * day);
    await clock.advance(31 * day);
    expect(renewal.current()).toBe(onboarding);
    expect(renewal.dueAt().getTime()).toBeLessThan(clock.now().getTime());
    const next = await renewal.renewNow();
    expect(renewal.identities()).toEqual([next, onboarding, renewed]);
  });

  it('to the first credential when what is on disk is damaged, and says so', async () => {
    const onboarding = await issueIdentity(contoso, 'damaged');
    const store = memoryStore();
    await (await open(onboarding, { store })).renewal.renewNow();
    const record = store.get('credentials') as { operational: { chainPem: string } };
    store.put('credentials', { ...record, operational: { ...record.operational, chainPem: 'gone' } });
    const { renewal, events } = await open(onboarding, { store });
    expect(renewal.current()).toBe(onboarding);
    expect(events).toEqual([
      { type: 'credential-damaged', error: expect.objectContaining({ code: 'ERR_AGENT_STATE' }) },
    ]);
    await renewal.renewNow();
    expect(renewal.current()).not.toBe(onboarding);
  });
});
