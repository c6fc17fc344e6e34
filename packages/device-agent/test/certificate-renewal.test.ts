import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { putIndividualEnrollment } from '@contoso/dps-admin';
import { issueDeviceCertificate, signDeviceRequest } from '@contoso/pki';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DeviceAgent,
  DeviceAgentError,
  estSource,
  loadIdentity,
  provision,
  type CertificateFunction,
  type CertificateRenewalOptions,
  type CredentialProof,
  type CredentialStore,
  type DeviceIdentity,
} from '../src/index.ts';
import { memoryStore, openRenewal, type Opened } from './opened-renewal.ts';
import { openStateStore } from '../src/state/state-store.ts';
import { dpsName, issueIdentity } from './contoso.ts';
import { startContosoWithEst, type ContosoWithEst } from './est-server.ts';
import { ManualClock } from './manual-clock.ts';
import { opensslIssue } from './openssl-issuer.ts';

const minute = 60_000;
const day = 1_440 * minute;
let contoso: ContosoWithEst;

beforeAll(async () => {
  contoso = await startContosoWithEst();
});

afterAll(() => contoso.close());

/** DPS and hub, for real: registers, connects, sends, and leaves. */
const proof: CredentialProof = {
  prove: async (identity, signal) => {
    const { trustedRootsPem, provisioningDeviceEndpoint: endpoint } = contoso.azure.cloud;
    const provisioning = { idScope: contoso.idScope, endpoint };
    const { assignedHub, deviceId } = await provision({ identity, provisioning, trustedRootsPem, signal });
    const agent = new DeviceAgent({
      identity,
      connectTo: { hostName: assignedHub, deviceId },
      trustedRootsPem,
      stateFolder: await mkdtemp(join(contoso.folder, 'proof-')),
      retryPolicy: { nextDelayMs: () => undefined },
    });
    await agent.start();
    await agent.stop(0);
  },
};

const sign: CertificateFunction = async (csrDer, { registrationId }) =>
  (await signDeviceRequest(contoso.line, csrDer, { registrationId, validityDays: 900 })).chainPem;

const open = (
  onboarding: DeviceIdentity,
  options: Partial<CertificateRenewalOptions> & { readonly store: CredentialStore },
): Promise<Opened> => openRenewal(onboarding, { source: sign, ...options });

const refusal = (code: 'ERR_AGENT_DPS_REFUSED' | 'ERR_AGENT_HUB_UNREACHABLE'): CredentialProof => ({
  prove: () => Promise.reject(new DeviceAgentError(code, 'as the test', { advice: 'wants it' })),
});

describe('a renewal', () => {
  it('by EST, proved against DPS and hub; the old one is deleted after the first connection', async () => {
    const onboarding = await issueIdentity(contoso, 'renewed-by-est');
    const folder = await mkdtemp(join(contoso.folder, 'state-'));
    const store = openStateStore(folder, onboarding.registrationId);
    const source = estSource({ url: contoso.est.url, trustedRootsPem: contoso.est.trustedRootsPem });
    const { renewal, types } = await open(onboarding, { store, source, proof });
    expect(renewal.current()).toBe(onboarding);
    const first = await renewal.renewNow();
    expect(renewal.current()).toBe(first);
    expect(first.registrationId).toBe(onboarding.registrationId);
    expect(first.chainSubjects).toEqual(onboarding.chainSubjects);
    expect(types()).toEqual(['renewal-started', 'certificate-received', 'certificate-renewed']);
    store.close();

    const again = openStateStore(folder, onboarding.registrationId);
    const restarted = await open(onboarding, { store: again });
    expect(restarted.renewal.current()).toEqual(first);
    expect(restarted.renewal.report()).toEqual({
      certificate: {
        validFrom: first.notBefore.toISOString(),
        validUntil: first.notAfter.toISOString(),
        thumbprint: first.thumbprintSha256,
        issuer: 'CN=line-1',
        renewAt: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    });
    await proof.prove(restarted.renewal.current(), AbortSignal.timeout(20_000));
    again.close();
  });

  it('keeps the former credential until the new one has connected, and the first one for ever', async () => {
    const onboarding = await issueIdentity(contoso, 'former');
    const store = memoryStore();
    let validityDays = 900;
    const source: CertificateFunction = async (csrDer) =>
      (await signDeviceRequest(contoso.line, csrDer, { allow: 'any', validityDays: (validityDays += 10) })).chainPem;
    const { renewal, events } = await open(onboarding, { store, source });
    const first = await renewal.renewNow();
    renewal.connected(first);
    const second = await renewal.renewNow();
    expect(renewal.identities()).toEqual([second, first, onboarding]);
    renewal.connected(second);
    expect(renewal.identities()).toEqual([second, onboarding]);
    expect(events.at(-1)).toEqual({ type: 'former-credential-deleted', certificate: first.certificate });
    expect(JSON.stringify(store.get('credentials'))).not.toContain(JSON.stringify(first.privateKeyPem).slice(1, -1));
  });

  it('keeps keys out of events', async () => {
    const { renewal, events } = await open(await issueIdentity(contoso, 'discreet'), { store: memoryStore() });
    await renewal.renewNow();
    expect(JSON.stringify(events)).not.toMatch(/BEGIN|PRIVATE/);
  });

  it.each(['request', 'answer', 'announce', 'proof', 1, 2, 3, 4])(
    'cut off at %s goes on where it was, and asks once',
    async (cut) => {
      const onboarding = await issueIdentity(contoso, `cut-at-${cut}`);
      const disk = memoryStore();
      let broken = true;
      let requests = new Set<string>();
      let answered = 0;
      const breakAt = (place: string | number): void => {
        if (broken && place === cut) throw new Error('power failed');
      };
      const options = {
        store: {
          get: (name: string) => disk.get(name),
          put: (name: string, value: unknown) => {
            breakAt(disk.written.length + 1);
            disk.put(name, value);
          },
        },
        source: (async (csrDer, context) => {
          requests.add(Buffer.from(csrDer).toString('base64'));
          breakAt('request');
          const chainPem = await sign(csrDer, context);
          answered += 1;
          breakAt('answer');
          return chainPem;
        }) satisfies CertificateFunction,
        announce: async () => breakAt('announce'),
        proof: { prove: async () => breakAt('proof') },
      };
      const before = await open(onboarding, options);
      await expect(before.renewal.renewNow()).rejects.toBeInstanceOf(DeviceAgentError);
      expect(before.renewal.current()).toBe(onboarding);
      broken = false;
      const after = await open(onboarding, options);
      expect(after.renewal.current()).toBe(onboarding);
      const renewed = await after.renewal.renewNow();
      expect(after.renewal.current()).toBe(renewed);
      const keyWasLost = cut === 1;
      expect(requests.size).toBe(1);
      expect(answered).toBe(cut === 'answer' || cut === 2 ? 2 : 1);
      const [started] = after.events;
      expect(started?.type === 'renewal-started' && started.step === 'make-key').toBe(keyWasLost);
      requests = new Set();
    },
  );

  it('does not lose, in a process that goes on, what a full disk did not take', async () => {
    const onboarding = await issueIdentity(contoso, 'disk-full');
    const disk = memoryStore();
    let answers = 0;
    let isFull = false;
    const { renewal, events } = await open(onboarding, {
      store: {
        get: (name) => disk.get(name),
        put: (name, value) => {
          if (isFull) throw new Error('database or disk is full');
          disk.put(name, value);
        },
      },
      source: async (csrDer, context) => {
        isFull = true;
        answers += 1;
        return sign(csrDer, context);
      },
    });
    await expect(renewal.renewNow()).rejects.toMatchObject({
      code: 'ERR_AGENT_STATE',
      message: expect.stringMatching(/disk is full.*Free the disk/),
    });
    expect(renewal.dueAt().getTime()).toBeGreaterThan(Date.now());
    isFull = false;
    await renewal.renewNow();
    expect(answers).toBe(1);
    expect(events.filter(({ type }) => type === 'renewal-failed')).toHaveLength(1);
  });

  it('stops when told, and that is no failure', async () => {
    const stopping = new AbortController();
    const { renewal, types } = await open(await issueIdentity(contoso, 'stopped'), {
      store: memoryStore(),
      source: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
          stopping.abort();
        }),
    });
    await expect(renewal.renewNow(stopping.signal)).rejects.toMatchObject({ code: 'ERR_AGENT_STOPPED' });
    expect(types()).toEqual(['renewal-started']);
  });

  it('waits for a certificate that begins in a few minutes, since clocks differ', async () => {
    const clock = new ManualClock();
    let prove = (): void => undefined;
    const received = new Promise<void>((resolve) => {
      prove = resolve;
    });
    const now = new Date(clock.now().getTime() + 40 * minute);
    const proved: Date[] = [];
    const { renewal } = await open(await issueIdentity(contoso, 'early'), {
      store: memoryStore(),
      clock,
      source: async (csrDer) =>
        (await signDeviceRequest(contoso.line, csrDer, { allow: 'any', validityDays: 900, now })).chainPem,
      proof: { prove: async () => void proved.push(clock.now()) },
      onEvent: ({ type }) => {
        if (type === 'certificate-received') prove();
      },
    });
    const renewing = renewal.renewNow();
    await received;
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(60 * minute);
    const { notBefore } = await renewing;
    expect(notBefore.getTime()).toBeGreaterThan(clock.now().getTime() - 60 * minute);
    expect(proved[0]?.getTime()).toBe(notBefore.getTime());
  });

  it('is done once when two ask for it', async () => {
    const { renewal, types } = await open(await issueIdentity(contoso, 'twice-asked'), { store: memoryStore() });
    const [one, other] = await Promise.all([renewal.renewNow(), renewal.renewNow()]);
    expect(one).toBe(other);
    expect(types().filter((type) => type === 'renewal-started')).toHaveLength(1);
  });
});

describe('what a source sends is not used', () => {
  const issue = async (registrationId: string, validityDays = 900, line = contoso.line): Promise<string> =>
    (await issueDeviceCertificate(line, { registrationId, validityDays })).chainPem;
  const leafOnly = (pem: string): string => pem.slice(0, pem.indexOf('-----END CERTIFICATE-----') + 26);

  it.each<[string, RegExp, CertificateFunction]>([
    [
      'with another CN',
      /its CN is somebody-else.*DPS takes another one/,
      async (csrDer) => {
        return opensslIssue(csrDer, contoso, { subject: '/CN=somebody-else' });
      },
    ],
    [
      'for another key',
      /not one for its new key: .*no certificate that the private key belongs to/,
      () => issue('odd'),
    ],
    [
      'without its issuers',
      /chain ends with CN=odd, issued by CN=line-1.*up to CN=Contoso Root CA/,
      async (csrDer, context) => leafOnly(await sign(csrDer, context)),
    ],
    [
      'that lasts no longer',
      /no later than the one in use.*longer validity/,
      async (csrDer) => (await signDeviceRequest(contoso.line, csrDer, { allow: 'any', validityDays: 1 })).chainPem,
    ],
    [
      'for servers',
      /extended key usage is 1\.3\.6\.1\.5\.5\.7\.3\.1.*clientAuth/,
      async (csrDer) => {
        return opensslIssue(csrDer, contoso, { subject: '/CN=odd', extensions: 'extendedKeyUsage=serverAuth' });
      },
    ],
    [
      'of an authority',
      /it is an authority's/,
      async (csrDer) => {
        return opensslIssue(csrDer, contoso, { subject: '/CN=odd', extensions: 'basicConstraints=critical,CA:TRUE' });
      },
    ],
    [
      'that has expired',
      /it expired at .*clock/,
      (csrDer) => opensslIssue(csrDer, contoso, { subject: '/CN=odd', days: -1 }),
    ],
    [
      'that begins tomorrow',
      /it is valid from .*clock/,
      async (csrDer) => {
        const now = new Date(Date.now() + day);
        return (await signDeviceRequest(contoso.line, csrDer, { allow: 'any', validityDays: 900, now })).chainPem;
      },
    ],
    ['that is none', /holds no certificate/, () => Promise.resolve('hello')],
  ])('%s', async (_, message, source) => {
    const store = memoryStore();
    const onboarding = await issueIdentity(contoso, 'odd');
    const proofs: DeviceIdentity[] = [];
    const { renewal, events } = await open(onboarding, {
      store,
      source,
      proof: { prove: async (identity) => void proofs.push(identity) },
    });
    await expect(renewal.renewNow()).rejects.toMatchObject({
      code: 'ERR_AGENT_RENEWAL_CERTIFICATE',
      message: expect.stringMatching(message),
    });
    expect(proofs).toEqual([]);
    expect(renewal.current()).toBe(onboarding);
    expect(renewal.dropped()).toHaveLength(1);
    expect(JSON.stringify(store.get('credentials'))).not.toContain('BEGIN');
    expect(events.at(-1)).toMatchObject({ type: 'renewal-failed', step: 'announce' });
  });
});

describe('a certificate that is not proved', () => {
  it('is given up when it is refused: facts are kept, the old one goes on, a new one is asked for later', async () => {
    const store = memoryStore();
    const onboarding = await issueIdentity(contoso, 'refused');
    const { renewal, events } = await open(onboarding, { store, proof: refusal('ERR_AGENT_DPS_REFUSED') });
    await expect(renewal.renewNow()).rejects.toMatchObject({ code: 'ERR_AGENT_DPS_REFUSED' });
    expect(renewal.current()).toBe(onboarding);
    expect(renewal.dropped()).toEqual([
      {
        at: expect.any(String),
        reason: 'as the test wants it',
        certificate: expect.objectContaining({ subject: 'CN=refused' }),
      },
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'renewal-failed', step: 'prove', dropped: { subject: 'CN=refused' } });
    expect(JSON.stringify(store.get('credentials'))).not.toContain('BEGIN');
    for (let tries = 0; tries < 6; tries += 1) await renewal.renewNow().catch(() => undefined);
    expect(renewal.dropped()).toHaveLength(5);
  });

  it('is proved again later when nobody could be asked', async () => {
    let asked = 0;
    const onboarding = await issueIdentity(contoso, 'unreachable');
    const store = memoryStore();
    const source: CertificateFunction = (csrDer, context) => {
      asked += 1;
      return sign(csrDer, context);
    };
    const { renewal } = await open(onboarding, { store, source, proof: refusal('ERR_AGENT_HUB_UNREACHABLE') });
    await expect(renewal.renewNow()).rejects.toMatchObject({ code: 'ERR_AGENT_HUB_UNREACHABLE' });
    const later = await open(onboarding, { store, source });
    await later.renewal.renewNow();
    expect(asked).toBe(1);
    expect(later.events[0]).toMatchObject({ type: 'renewal-started', step: 'prove' });
  });
});

describe('individual enrollments', () => {
  it('announce the new certificate before it is proved: secondary, then primary', async () => {
    const registrationId = 'individual';
    const target = { dpsName, registrationId };
    const { session } = contoso;
    const issued = await issueDeviceCertificate(contoso.line, { registrationId, validityDays: 30 });
    const onboarding = await loadIdentity(issued);
    const { etag } = await putIndividualEnrollment(session, { ...target, certificatePem: onboarding.chainPem });
    const announced: string[] = [];
    const options = { store: memoryStore(), source: sign, proof };
    const unannounced = await open(onboarding, { ...options, store: memoryStore() });
    await expect(unannounced.renewal.renewNow()).rejects.toMatchObject({ code: 'ERR_AGENT_DPS_REFUSED' });

    const { renewal, types } = await open(onboarding, {
      ...options,
      announce: async (newCertificatePem) => {
        announced.push(newCertificatePem);
        await putIndividualEnrollment(session, {
          ...target,
          certificatePem: issued.certificatePem,
          secondaryCertificatePem: newCertificatePem,
          etag,
        });
      },
    });
    const renewed = await renewal.renewNow();
    expect(announced).toHaveLength(1);
    expect(announced[0]?.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(types()).toContain('certificate-announced');
    await proof.prove(onboarding, AbortSignal.timeout(20_000));
    await proof.prove(renewed, AbortSignal.timeout(20_000));
  });
});

describe('a key in a token', () => {
  it('is not replaced by one on disk unless somebody makes the new one', async () => {
    const onboarding = { ...(await issueIdentity(contoso, 'in-token')), pkcs11: { uri: 'pkcs11:object=in-token' } };
    await expect(open(onboarding, { store: memoryStore() })).rejects.toMatchObject({
      code: 'ERR_AGENT_TOKEN',
      message: expect.stringMatching(/in-token is in a token.*newKey/),
    });
  });
});
