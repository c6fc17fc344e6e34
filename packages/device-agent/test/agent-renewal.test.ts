import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureEnrollmentGroup, updateEnrollmentGroup } from '@contoso/dps-admin';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { estSource, type CertificateFunction, type DeviceAgentOptions, type DeviceIdentity } from '../src/index.ts';
import { createLineAuthority, signDeviceRequest } from '@contoso/pki';
import { dpsName, issueIdentity, watchedAgent, type Watched } from './contoso.ts';
import { startContosoWithEst, type ContosoWithEst } from './est-server.ts';
import { opensslIssue } from './openssl-issuer.ts';

// Whole agents whose certificates grow old by a turned clock.

const day = 86_400_000;
let contoso: ContosoWithEst;
const started: Watched[] = [];

beforeAll(async () => {
  contoso = await startContosoWithEst();
});

afterEach(async () => {
  for (const { agent } of started.splice(0)) await agent.stop(0);
});

afterAll(() => contoso.close());

/** The machine's clock, ahead by so much; a wait of the renewal's ends when it is turned. */
class TurnedClock {
  #aheadMs = 0;
  readonly #waiting = new Set<() => void>();

  now(): Date {
    return new Date(Date.now() + this.#aheadMs);
  }

  delay(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', onAbort);
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const onAbort = (): void => {
        end();
        reject(signal.reason as Error);
      };
      const timer = setTimeout(wake, milliseconds);
      // What waits for an answer or for the keep-alive goes by the machine.
      if (milliseconds > 600_000) this.#waiting.add(wake);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  turn(milliseconds: number): void {
    this.#aheadMs += milliseconds;
    for (const wake of [...this.#waiting]) wake();
  }
}

const sign: CertificateFunction = async (csrDer, { registrationId }) =>
  (await signDeviceRequest(contoso.line, csrDer, { registrationId, validityDays: 900 })).chainPem;

const start = async (identity: DeviceIdentity, options: Partial<DeviceAgentOptions>): Promise<Watched> => {
  const watched = watchedAgent(contoso, identity, options);
  started.push(watched);
  await watched.agent.start();
  await watched.next('subscribed');
  return watched;
};

const reportedThumbprint = (deviceId: string): unknown =>
  (contoso.hub.twinOf(deviceId) as { properties: { reported: { certificate?: { thumbprint: string } } } } | undefined)
    ?.properties.reported.certificate?.thumbprint;

/** The twin says that the device uses another certificate than this. */
const isAboutAnother =
  ({ thumbprintSha256 }: DeviceIdentity) =>
  ({ properties }: { readonly properties: Readonly<Record<string, unknown>> }): boolean => {
    const { thumbprint } = (properties['certificate'] ?? {}) as { thumbprint?: string };
    return thumbprint !== undefined && thumbprint !== thumbprintSha256;
  };

const numbersOf = (deviceId: string): unknown[] => [
  ...new Set(
    contoso.hub.telemetry
      .list()
      .filter((message) => message.deviceId === deviceId)
      .map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { number: number }).number),
  ),
];

describe('a device whose certificate is at 80 % of its life', () => {
  it('is renewed while it works, and loses nothing on the way', async () => {
    const deviceId = 'renewing';
    const identity = await issueIdentity(contoso, deviceId);
    const clock = new TurnedClock();
    const options = { clock, renewal: { source: sign }, stateFolder: await mkdtemp(join(contoso.folder, 'renewing-')) };
    const watched = await start(identity, options);
    const { agent } = watched;
    await agent.send({ body: { number: 0 } });
    await watched.next('reported');
    expect(reportedThumbprint(deviceId)).toBe(identity.thumbprintSha256);

    clock.turn(0.79 * 730 * day);
    await agent.send({ body: { number: 1 } });
    await agent.flush();
    expect(watched.events.filter(({ type }) => type === 'renewal-started')).toEqual([]);

    clock.turn(0.07 * 730 * day);
    for (let number = 2; number < 20; number += 1) await agent.send({ body: { number } });
    await watched.next('certificate-renewed');
    for (let number = 20; number < 30; number += 1) await agent.send({ body: { number } });
    const reported = await watched.next('reported', isAboutAnother(identity));
    const { thumbprint } = reported.properties['certificate'] as { thumbprint: string };
    expect(reportedThumbprint(deviceId)).toBe(thumbprint);
    await agent.flush();
    expect(numbersOf(deviceId)).toEqual(Array.from({ length: 30 }, (_, number) => number));
    await agent.stop();

    const again = await start(identity, options);
    again.agent.report({ restarted: true });
    await again.next('reported', ({ properties }) => 'restarted' in properties);
    expect(reportedThumbprint(deviceId)).toBe(thumbprint);
    expect(again.events.filter(({ type }) => type === 'credential-refused')).toEqual([]);
  });

  it('is renewed by an EST server', async () => {
    const identity = await issueIdentity(contoso, 'renewing-est');
    const source = estSource({ url: contoso.est.url, trustedRootsPem: contoso.est.trustedRootsPem });
    const { next } = await start(identity, { renewal: { source, onboardingOnly: true } });
    await next('certificate-renewed');
    await next('reported', isAboutAnother(identity));
    expect(reportedThumbprint('renewing-est')).not.toBe(identity.thumbprintSha256);
    expect(contoso.est.requests.map(({ client }) => client)).toContain('renewing-est');
  });

  it('falls back to the one it was installed with where the renewed one is refused later', async () => {
    const identity = await issueIdentity(contoso, 'fallen-back');
    const clock = new TurnedClock();
    const otherLine = await createLineAuthority(contoso.root, { lineName: 'line-2' });
    const group = { dpsName, enrollmentGroupId: 'line-2' };
    await ensureEnrollmentGroup(contoso.session, { ...group, certificatePem: otherLine.certificatePem });
    const sources = [otherLine, contoso.line];
    const source: CertificateFunction = async (csrDer, { registrationId }) => {
      const line = sources.shift() ?? contoso.line;
      return (await signDeviceRequest(line, csrDer, { registrationId, validityDays: 900 })).chainPem;
    };
    const options = { clock, renewal: { source }, stateFolder: await mkdtemp(join(contoso.folder, 'fallen-')) };
    const first = await start(identity, options);
    clock.turn(0.86 * 730 * day);
    await first.next('reported', isAboutAnother(identity));
    await first.agent.stop(0);

    await updateEnrollmentGroup(contoso.session, { ...group, provisioningStatus: 'disabled' });
    contoso.hub.remove('fallen-back');
    const again = await start(identity, options);
    const { next } = await again.next('credential-refused');
    expect(next.thumbprintSha256).toBe(identity.thumbprintSha256);
    await again.agent.send({ body: { number: 1 } });
    await again.agent.flush();
  });

  it('keeps the one it has where DPS refuses the new one', async () => {
    const identity = await issueIdentity(contoso, 'renewed-in-vain');
    const clock = new TurnedClock();
    const stranger: CertificateFunction = (csrDer) => opensslIssue(csrDer, contoso, { subject: '/CN=renewed-in-vain' });
    const { agent, next } = await start(identity, { clock, renewal: { source: stranger } });
    clock.turn(0.86 * 730 * day);
    const { step, dropped, error } = await next('renewal-failed');
    expect([step, error.code, dropped?.subject]).toEqual(['prove', 'ERR_AGENT_DPS_REFUSED', 'CN=renewed-in-vain']);
    await agent.send({ body: { number: 1 } });
    await agent.flush();
    expect(reportedThumbprint('renewed-in-vain')).toBe(identity.thumbprintSha256);
  });
});
