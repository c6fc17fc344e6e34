import { X509Certificate } from 'node:crypto';
import { createLineAuthority, signDeviceRequest, type CertificateAuthority } from '@contoso/pki';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceAgentError, type CertificateSource, type RenewalRequest } from '../src/index.ts';
import { hubName, issueIdentity, startContoso, watchedAgent, type Contoso, type Watched } from './contoso.ts';

// A source of the shape of Azure's own certificate management, as far as the emulator goes: it refuses `csr` and the hub's
// topics for certificates by name, which shows that they come there, and how. Issued is by an authority that DPS doesn't know.

let contoso: Contoso;
let issuing: CertificateAuthority;
const started: Watched[] = [];

beforeAll(async () => {
  contoso = await startContoso({ assumptions: { dps: { groupDeviceIdentity: 'certificateAuthority' } } });
  issuing = await createLineAuthority(contoso.root, { lineName: 'azure-issuing' });
  // What Azure's credential sync does: the hub trusts the issuing authority, and DPS doesn't know it.
  await trustAtHub('azure-issuing', issuing);
});

const trustAtHub = async (name: string, { certificatePem }: CertificateAuthority): Promise<void> => {
  const certificate = new X509Certificate(certificatePem).raw.toString('base64');
  const properties = { certificate, isVerified: true };
  await contoso.session.iotHubs.certificates.createOrUpdate('contoso', hubName, name, { properties });
};

afterEach(async () => {
  for (const { agent } of started.splice(0)) await agent.stop(0);
});

afterAll(() => contoso.close());

/** What the two ways answered. */
interface Asked {
  readonly way: 'DPS' | 'hub';
  readonly error: unknown;
}

const codeAndText = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? { code: error.code, text: error.message } : error;

async function ask({ azure, csrDer }: RenewalRequest, signal: AbortSignal, waitsForHub: boolean): Promise<Asked> {
  const csr = Buffer.from(csrDer).toString('base64');
  const hub = azure?.hub();
  if (!hub) {
    if (waitsForHub)
      throw new DeviceAgentError('ERR_AGENT_RENEWAL_PENDING', 'no session yet', {
        advice: 'Ask again.',
        retryAfterMs: 1,
      });
    const error: unknown = await azure?.register({ csr }, signal).catch(codeAndText);
    return { way: 'DPS', error };
  }
  try {
    const stop = await hub.listen('$iothub/credentials/res/#', () => undefined);
    await hub.publish(
      '$iothub/credentials/POST/issueCertificate/?$rid=0001',
      JSON.stringify({ id: hub.deviceId, csr }),
    );
    stop();
    return { way: 'hub', error: undefined };
  } catch (error) {
    return { way: 'hub', error: codeAndText(error) };
  }
}

const sourceOf = (asked: Asked[], { waitsForHub = false } = {}): CertificateSource => ({
  name: 'Azure',
  azure: { registersWith: 'onboarding' },
  renew: async (request, signal) => {
    asked.push(await ask(request, signal, waitsForHub));
    const { csrDer, registrationId } = request;
    return (await signDeviceRequest(issuing, csrDer, { registrationId, validityDays: 30 })).chainPem;
  },
});

describe('a source that is Azure itself', () => {
  it('registers with the onboarding credential, adds to the registration, and shows the new one to the hub alone', async () => {
    const identity = await issueIdentity(contoso, 'azure-issued');
    const asked: Asked[] = [];
    const watched = watchedAgent(contoso, identity, {
      renewal: { source: sourceOf(asked), onboardingOnly: true },
    });
    started.push(watched);
    await watched.agent.start();
    const { certificate } = await watched.next('certificate-renewed');
    await watched.next('subscribed');
    expect(certificate.issuer).toBe('CN=azure-issuing');
    // The hub takes the new one alone, so the device had no session when it asked for the first.
    const csrRefused = { code: 'ERR_AGENT_DPS_REFUSED', text: expect.stringContaining("('csr')") as unknown };
    expect(asked[0]).toEqual({ way: 'DPS', error: csrRefused });
    // DPS would not take it: with the onboarding credential the device goes there as often as it likes.
    const before = watched.events.length;
    watched.agent.reprovision({});
    await watched.next('provisioned', (event) => watched.events.indexOf(event) >= before);
    await watched.next(
      'connecting',
      (event) =>
        watched.events.indexOf(event) >= before && event.certificate.thumbprintSha256 === certificate.thumbprintSha256,
    );
    await watched.next('subscribed', (event) => watched.events.indexOf(event) >= before);
    // The onboarding one may have been refused by the hub before there was another.
    const refused = watched.events.flatMap((event) => (event.type === 'credential-refused' ? [event.certificate] : []));
    expect(refused).not.toContainEqual(certificate);
  });

  it('renews over the live session, which goes on whatever the hub says', async () => {
    await trustAtHub('line-1', contoso.line);
    const identity = await issueIdentity(contoso, 'azure-renewed');
    const asked: Asked[] = [];
    const watched = watchedAgent(contoso, identity, {
      renewal: { source: sourceOf(asked, { waitsForHub: true }), onboardingOnly: true },
    });
    started.push(watched);
    await watched.agent.start();
    const { certificate } = await watched.next('certificate-received');
    const refused = expect.stringContaining('refused to subscribe $iothub/credentials/res/#') as unknown;
    expect(asked[0]).toEqual({ way: 'hub', error: { code: 'ERR_AGENT_HUB_UNREACHABLE', text: refused } });
    expect(certificate.issuer).toBe('CN=azure-issuing');
    // No connection was lost by it.
    expect(watched.events.filter(({ type }) => type === 'retry')).toEqual([]);
  });
});
