import { expect, it } from '@jest/globals';
import { createPrivateKey } from 'node:crypto';
import {
  createDeviceRequest,
  createSoftwareKey,
  type RefusedItem,
  type RequestItem,
  type SigningKey,
} from '../src/index.ts';
import {
  certificateOf,
  collect,
  describeOnBothEngines,
  expectRefusal,
  responsible,
  start,
} from './inventory-engines.ts';
import { createLine, issueIds, issueRequests } from './mass-source.ts';

const order = { station: 'station-1', orderedBy: 'order 4711' };
const always = new Date('9999-01-01T00:00:00Z');

async function requestOf(registrationId: string, key: SigningKey): Promise<RequestItem> {
  return { csr: await createDeviceRequest({ registrationId, key }) };
}

/** A request that somebody made with another's public key, without having the private one. */
async function forgedRequest(registrationId: string, { publicKeyDer, ...key }: SigningKey): Promise<RequestItem> {
  const other = await createSoftwareKey();
  return requestOf(registrationId, { ...key, publicKeyDer, sign: (data) => other.sign(data) });
}

describeOnBothEngines('the key in a request', (createPlace) => {
  it('is a new one for a renewal: neither the latest nor an earlier one', async () => {
    const inventory = await (await createPlace()).open();
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => createSoftwareKey()));
    const options = { line: await createLine(), inventory, ...order };
    const renew = (key: SigningKey | undefined): Promise<unknown[]> =>
      requestOf('device-1', key!).then((item) => issueRequests([item], { ...options, renewEndingBefore: always }));
    await renew(first);
    await expectRefusal(renew(first), 'ERR_PKI_RENEWAL', /"device-1" has had a certificate for the key/);
    await renew(second);
    await expectRefusal(renew(second), 'ERR_PKI_RENEWAL', /new key/);
    await expectRefusal(renew(first), 'ERR_PKI_RENEWAL', /new key/);
    await renew(third);
    expect((await inventory.history('device-1')).certificates).toHaveLength(3);
    await inventory.close();
  });

  it('is a new one for a device that had its key made here', async () => {
    const inventory = await (await createPlace()).open();
    const line = await createLine();
    const [made] = await issueIds(['device-1'], { line, inventory, ...order });
    const csr = await createDeviceRequest({ registrationId: 'device-1', key: createPrivateKey(made!.privateKeyPem) });
    const again = issueRequests([{ csr }], { line, inventory, ...order, renewEndingBefore: always });
    await expectRefusal(again, 'ERR_PKI_RENEWAL', /new key/);
    await inventory.close();
  });

  it('is a new one after a revocation', async () => {
    const inventory = await (await createPlace()).open();
    const [request, other] = await Promise.all(
      [1, 2].map(async () => requestOf('device-1', await createSoftwareKey())),
    );
    const options = { line: await createLine(), inventory, ...order, reissueRevoked: true };
    const [{ serialNumber } = { serialNumber: '' }] = await issueRequests([request!], options);
    await inventory.revoke({ ...responsible, serialNumber, reason: 'keyCompromise' });
    await expectRefusal(issueRequests([request!], options), 'ERR_PKI_RENEWAL', /new key/);
    expect(await issueRequests([other!], options)).toHaveLength(1);
    await inventory.close();
  });

  it('may come again where nobody is known to have the certificate for it', async () => {
    const inventory = await (await createPlace()).open();
    const request = await requestOf('device-1', await createSoftwareKey());
    const options = { line: await createLine(), inventory, ...order };
    const take = (): Promise<void> => Promise.reject(new Error('the receiver is down'));
    await expect(issueRequests([request], { ...options, receiver: { take } })).rejects.toThrow('down');
    expect(await issueRequests([request], options)).toHaveLength(1);
    const { certificates } = await inventory.history('device-1');
    expect(certificates).toMatchObject([{ state: 'abandoned' }, { state: 'delivered' }]);
    await inventory.close();
  });

  it.each([500, 1])('is one device’s alone: in one run, with batches of %i, and in a later one', async (batchSize) => {
    const inventory = await (await createPlace()).open();
    const [key, own] = await Promise.all([1, 2].map(() => createSoftwareKey()));
    const refused: RefusedItem[] = [];
    const options = {
      line: await createLine(),
      inventory,
      ...order,
      batchSize,
      onRefused: (item: RefusedItem): void => void refused.push(item),
    };
    const source = [
      // Whoever shows another's key without having it keeps nobody out.
      await forgedRequest('forger', key!),
      ...(await Promise.all(['device-1', 'clone-1'].map((id) => requestOf(id, key!)))),
      await requestOf('device-2', own!),
    ];
    const issued = await issueRequests(source, options);
    expect(issued.map(({ registrationId }) => registrationId)).toEqual(['device-1', 'device-2']);
    await issueRequests([await requestOf('clone-2', key!)], options);
    expect(refused.map(({ index, registrationId, error }) => [index, registrationId, error.code])).toEqual([
      [0, 'forger', 'ERR_PKI_CSR_SIGNATURE'],
      [2, 'clone-1', 'ERR_PKI_KEY_REUSED'],
      [0, 'clone-2', 'ERR_PKI_KEY_REUSED'],
    ]);
    expect(refused[1]!.error.message).toContain('"clone-1" has the key of "device-1"');
    expect(await collect(inventory.find())).toHaveLength(2);
    await inventory.close();
  });

  it('is one device’s alone where two stations are given it at the same time', async () => {
    const place = await createPlace();
    const [one, two] = [await place.open(), await place.open()];
    const key = await createSoftwareKey();
    const line = await createLine();
    const refused: unknown[] = [];
    // Asks before the other station has issued, and writes afterwards.
    const late = {
      ...two,
      findKeyOwners: async (keys: readonly string[]): Promise<ReadonlyMap<string, string>> => {
        const owners = await two.findKeyOwners(keys);
        if (refused.length === 0 && owners.size === 0) {
          await issueRequests([await requestOf('device-1', key)], { line, inventory: one, ...order });
        }
        return owners;
      },
    };
    const source = [await requestOf('clone', key), await requestOf('device-2', await createSoftwareKey())];
    const issued = await issueRequests(source, {
      line,
      inventory: late,
      ...order,
      station: 'station-2',
      onRefused: ({ registrationId, error }) => refused.push([registrationId, error.code]),
    });
    expect(issued.map(({ registrationId }) => registrationId)).toEqual(['device-2']);
    expect(refused).toEqual([['clone', 'ERR_PKI_KEY_REUSED']]);
    await one.close();
    await two.close();
  });

  it('is kept by the inventory itself, which writes nothing of a transaction that breaks the rule', async () => {
    const inventory = await (await createPlace()).open({ now: () => start });
    const own = certificateOf('device-1', { isDeviceKey: true });
    const line = { line: 'Line 1', lineKeyIdentifier: 'aa' };
    await inventory.record({ ...responsible, issued: { ...line, certificates: [own] } });
    const { keyIdentifier } = own;
    const clone = certificateOf('clone', { isDeviceKey: true, keyIdentifier: keyIdentifier.toUpperCase() });
    const certificates = [certificateOf('device-2'), clone];
    await expectRefusal(
      inventory.record({ ...responsible, issued: { ...line, certificates } }),
      'ERR_PKI_KEY_REUSED',
      /"clone" has the key of "device-1"/,
    );
    expect(await inventory.findKeyOwners([keyIdentifier, 'ff'])).toEqual(new Map([[keyIdentifier, 'device-1']]));
    expect(await collect(inventory.find())).toHaveLength(1);
    expect(await inventory.verifyAudit()).toMatchObject({ isIntact: true });
    await inventory.close();
  });
});
