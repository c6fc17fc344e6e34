import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createLineAuthority,
  createRootAuthority,
  createSoftwareKey,
  issueMany,
  openAuthority,
  type IssueProgress,
  type RefusedItem,
  type RequestItem,
} from '../src/index.ts';
import { Name } from '../src/engine.ts';
import { openInventory } from '../src/inventory/index.ts';
import { expectCode, inTemporaryFolder, makeRequest } from './fixtures.ts';
import { collect, expectRefusal } from './inventory-engines.ts';
import { createLine, deviceIds, issueIds, issueRequests, makeRequests } from './mass-source.ts';

describe('issueMany', () => {
  it('issues in the order of the source, over many batches', async () => {
    const ids = deviceIds(25);
    const devices = await issueIds(ids, { line: await createLine(), batchSize: 10 });
    expect(devices.map(({ registrationId }) => registrationId)).toEqual(ids);
  });

  it('reads a source no further than it has to', async () => {
    let read = 0;
    const source = async function* (): AsyncGenerator<string> {
      for (;;) yield `device-${(read += 1)}`;
    };
    const run = issueMany(source(), { line: await createLine(), threads: 0, batchSize: 10 });
    for (let taken = 0; taken < 35; taken += 1) await run.next();
    await run.return();
    expect(read).toBeLessThanOrEqual(60);
  });

  it('closes its source when the consumer leaves early, or an item ends the run', async () => {
    const line = await createLine();
    let closed = 0;
    const source = function* (...ids: string[]): Generator<string> {
      try {
        yield* ids;
      } finally {
        closed += 1;
      }
    };
    for await (const { registrationId } of issueMany(source('a', 'b'), { line, threads: 0, batchSize: 1 })) {
      expect(registrationId).toBe('a');
      break;
    }
    expect(closed).toBe(1);
    await expectCode(
      collect(issueMany(source('a', 'B', 'c'), { line, threads: 0 })),
      'ERR_PKI_REGISTRATION_ID_UPPER_CASE',
    );
    expect(closed).toBe(2);
  });

  it('refuses single items, says which, and goes on', async () => {
    const refused: RefusedItem[] = [];
    const onRefused = (item: RefusedItem): void => void refused.push(item);
    const devices = await issueIds(['a', 'B', '', 'c'], { line: await createLine(), onRefused });
    expect(devices.map(({ registrationId }) => registrationId)).toEqual(['a', 'c']);
    expect(refused.map(({ index, registrationId, error }) => [index, registrationId, error.code])).toEqual([
      [1, 'B', 'ERR_PKI_REGISTRATION_ID_UPPER_CASE'],
      [2, '', 'ERR_PKI_REGISTRATION_ID_EMPTY'],
    ]);
  });

  it('tells how far it has come, how fast, and how long it will take', async () => {
    const progress: IssueProgress[] = [];
    const line = await createLine();
    await issueIds(deviceIds(30), { line, batchSize: 10, total: 40, onProgress: (now) => void progress.push(now) });
    expect(progress.map(({ issued, total }) => [issued, total])).toEqual([
      [10, 40],
      [20, 40],
      [30, 40],
    ]);
    for (const { issued, ratePerSecond, secondsLeft } of progress) {
      expect(ratePerSecond).toBeGreaterThan(0);
      expect(secondsLeft! * ratePerSecond).toBeCloseTo(40 - issued);
    }
  });

  it.each(['P-384', 'RSA-2048'] as const)('makes %s keys on the ordinary path', async (keyAlgorithm) => {
    const devices = await issueIds(deviceIds(3), { line: await createLine(), keyAlgorithm });
    for (const { certificateDer, privateKeyPem, privateKeyDer, keyIdentifier } of devices) {
      const certificate = new X509Certificate(certificateDer);
      expect(certificate.checkPrivateKey(createPrivateKey(privateKeyPem))).toBe(true);
      expect(
        createPrivateKey({ key: Buffer.from(privateKeyDer), format: 'der', type: 'pkcs8' }).asymmetricKeyType,
      ).toBe(keyAlgorithm === 'P-384' ? 'ec' : 'rsa');
      expect(keyIdentifier).toMatch(/^[0-9a-f]{40}$/);
    }
  });

  it('signs with a key that is elsewhere, some at a time', async () => {
    const { keyObject, ...elsewhere } = await createSoftwareKey();
    expect(keyObject.type).toBe('private');
    let [inFlight, most] = [0, 0];
    const sign = async (data: Uint8Array): Promise<Uint8Array> => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      const signature = await elsewhere.sign(data);
      inFlight -= 1;
      return signature;
    };
    const root = await createRootAuthority({ commonName: 'Root' });
    const line = await createLineAuthority(root, { lineName: 'Line 1', key: { ...elsewhere, sign } });
    const ids = deviceIds(100);
    const devices = await issueIds(ids, { line });
    expect(devices.map(({ registrationId }) => registrationId)).toEqual(ids);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(16);
    const requests = await issueRequests(await makeRequests(ids), { line });
    expect(requests.map(({ registrationId }) => registrationId)).toEqual(ids);
  });

  it('takes requests of every kind, in their order', async () => {
    const [common] = await makeRequests(['common']);
    const [otherCurve] = await makeRequests(['other-curve'], 'P-384');
    const { der } = await makeRequest(new Name([{ CN: ['more-names'] }, { O: ['Contoso'] }]));
    const [der2] = await makeRequests(['der']);
    const asDer = Buffer.from(String(der2!.csr).replace(/-----.*-----|\s/g, ''), 'base64');
    const source: RequestItem[] = [otherCurve!, common!, { csr: der }, { csr: asDer, registrationId: 'der' }];
    const devices = await issueRequests(source, { line: await createLine() });
    expect(devices.map(({ registrationId, subject }) => [registrationId, subject])).toEqual([
      ['other-curve', 'CN=other-curve'],
      ['common', 'CN=common'],
      ['more-names', 'CN=more-names'],
      ['der', 'CN=der'],
    ]);
    expect(devices.every((device) => !('privateKeyPem' in device))).toBe(true);
  });

  it('refuses requests as the ordinary path does', async () => {
    const [good, forged, foreign, unlisted] = await makeRequests(['good', 'forged', 'foreign', 'unlisted']);
    const altered = Buffer.from(String(forged!.csr).replace(/-----.*-----|\s/g, ''), 'base64');
    // The last octets are the signature's.
    altered[altered.length - 1]! ^= 1;
    const badName = await makeRequest('CN=Upper');
    const source: RequestItem[] = [
      { csr: altered },
      { csr: foreign!.csr, registrationId: 'somebody-else' },
      unlisted!,
      { csr: badName.der },
      { csr: 'nothing' },
      good!,
    ];
    const refused: string[] = [];
    const allow = ['good', 'forged', 'foreign', 'Upper'];
    const onRefused = ({ index, registrationId, error }: RefusedItem): void =>
      void refused.push(`${index} ${registrationId} ${error.code}`);
    const devices = await issueRequests(source, { line: await createLine(), allow, onRefused });
    expect(devices.map(({ registrationId }) => registrationId)).toEqual(['good']);
    expect(refused.sort()).toEqual([
      '0 forged ERR_PKI_CSR_SIGNATURE',
      '1 foreign ERR_PKI_REGISTRATION_ID_MISMATCH',
      '2 unlisted ERR_PKI_REGISTRATION_ID_NOT_ALLOWED',
      '3 Upper ERR_PKI_REGISTRATION_ID_UPPER_CASE',
      '4 undefined ERR_PKI_CSR_UNREADABLE',
    ]);
  });

  it('refuses a request whose point is not on the curve', async () => {
    const [request] = await makeRequests(['device-1']);
    const der = Buffer.from(String(request!.csr).replace(/-----.*-----|\s/g, ''), 'base64');
    const point = der.indexOf(Buffer.from('034200', 'hex')) + 4;
    der[point + 40]! ^= 1;
    const refusal = collect(issueMany([{ csr: der }], { line: await createLine(), threads: 0, allow: 'any' }));
    await expect(refusal).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_PKI_CSR_(SIGNATURE|UNREADABLE)$/) as unknown,
    });
  });

  it('gives batches to a receiver, and wipes their keys when it has them', async () => {
    const batches: string[][] = [];
    const receiver = {
      take: async (devices: readonly { registrationId: string; privateKeyPem: string }[]) => {
        expect(devices.every(({ privateKeyPem }) => privateKeyPem.startsWith('-----BEGIN PRIVATE KEY-----'))).toBe(
          true,
        );
        batches.push(devices.map(({ registrationId }) => registrationId));
      },
    };
    const devices = await issueIds(deviceIds(5), { line: await createLine(), batchSize: 2, receiver });
    expect(batches).toEqual([['device-0', 'device-1'], ['device-2', 'device-3'], ['device-4']]);
    expect(devices).toHaveLength(5);
    await expectRefusal((async () => devices[0]!.privateKeyPem)(), 'ERR_PKI_KEY_WIPED', /device-0/);
  });

  it('leaves no key and no certificate in the file of the inventory', () =>
    inTemporaryFolder(async (folder) => {
      const inventory = await openInventory(join(folder, 'inventory.db'));
      const devices = await issueIds(deviceIds(20), { line: await createLine(), inventory, orderedBy: 'order 4711' });
      // Before it is closed: what the database keeps beside its file is there too.
      const names = await readdir(folder);
      const files = Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, name)))));
      await inventory.close();
      expect(files.includes('device-19')).toBe(true);
      for (const { privateKeyPem, certificatePem } of devices) {
        const { d = '' } = createPrivateKey(privateKeyPem).export({ format: 'jwk' });
        const scalar = Buffer.from(d, 'base64url');
        const signature = new X509Certificate(certificatePem).raw.subarray(-60);
        for (const octets of [scalar, signature]) {
          for (const form of [
            octets,
            octets.toString('hex'),
            octets.toString('base64'),
            octets.toString('base64url'),
          ]) {
            expect(files.includes(form)).toBe(false);
          }
        }
      }
      expect(files.includes('-----BEGIN')).toBe(false);
    }));

  it('wipes a key for good', async () => {
    const line = await createLine();
    const [byTemplate] = await issueIds(['a'], { line });
    const [ordinary] = await issueIds(['a'], { line, keyAlgorithm: 'P-384' });
    for (const device of [byTemplate!, ordinary!]) {
      const key = device.privateKeyDer;
      device.wipe();
      expect(key.every((octet) => octet === 0)).toBe(true);
      await expectCode(() => device.privateKeyDer, 'ERR_PKI_KEY_WIPED');
    }
  });

  it('follows the clock: the validity of a long run does not grow old', async () => {
    const line = await createLine();
    let now = Date.now();
    const devices = await issueIds(deviceIds(3), { line, batchSize: 1, now: () => new Date((now += 600_000)) });
    const starts = devices.map(({ notBefore }) => notBefore.getTime());
    expect(starts[2]! - starts[0]!).toBeGreaterThan(600_000);
  });

  it('ends when the line has expired', async () => {
    const line = await createLine();
    await expectCode(issueIds(['a'], { line, now: () => new Date('2050-01-01') }), 'ERR_PKI_ISSUER_NOT_VALID');
  });

  it('takes a line that was opened from its certificate and key', async () => {
    const made = await createLine();
    const line = openAuthority({ chainPem: made.chainPem, key: made.key });
    expect(await issueIds(['a'], { line })).toHaveLength(1);
  });

  it('refuses wrong argument types', async () => {
    const line = await createLine();
    await expect(issueIds(['a'], { line, batchSize: 0 })).rejects.toThrow(TypeError);
    await expect(issueIds(['a'], { line, threads: 1.5 })).rejects.toThrow(TypeError);
    await expect(issueIds([7 as unknown as string], { line })).rejects.toThrow(TypeError);
  });
});
