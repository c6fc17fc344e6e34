import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import {
  createDeviceRequest,
  createLineAuthority,
  issueDeviceCertificate,
  renewDeviceCertificate,
  verifyChain,
} from '../src/index.ts';
import { createFactory, expectCode, makeRequest } from './fixtures.ts';

const dayMs = 86_400_000;

describe('renewing a device certificate', () => {
  it('same common name, new key made here, linked to the old one, with an overlap', async () => {
    const { root, line, device } = await createFactory();
    const later = new Date(Date.now() + 500 * dayMs);
    const renewed = await renewDeviceCertificate(line, { previous: device.chainPem, now: later });
    expect(renewed).toMatchObject({ registrationId: 'thermostat-1', subject: 'CN=thermostat-1' });
    expect(renewed.serialNumber).not.toBe(device.serialNumber);
    expect(createPublicKey(renewed.privateKeyPem).equals(createPublicKey(device.certificatePem))).toBe(false);
    expect(renewed.renews).toEqual({
      serialNumber: device.serialNumber,
      thumbprintSha1: device.thumbprintSha1,
      thumbprintSha256: device.thumbprintSha256,
      issuer: 'CN=Line 1',
      notAfter: device.notAfter,
      overlap: { from: renewed.notBefore, until: device.notAfter },
    });
    for (const { chainPem } of [device, renewed]) {
      const options = { chainPem, trustedRootsPem: root.certificatePem, registrationId: 'thermostat-1', now: later };
      expect(await verifyChain(options)).toEqual({ isValid: true, problems: [] });
    }
  });

  it('for a key that the device made', async () => {
    const { line, device } = await createFactory();
    const key = createPrivateKey((await issueDeviceCertificate(line, { registrationId: 'x' })).privateKeyPem);
    const csr = await createDeviceRequest({ registrationId: 'thermostat-1', key });
    const renewed = await renewDeviceCertificate(line, { previous: device.certificatePem, csr, validityDays: 10 });
    expect(createPublicKey(key).equals(createPublicKey(renewed.certificatePem))).toBe(true);
    expect(renewed).not.toHaveProperty('privateKeyPem');
    expect(renewed.renews.overlap?.until).toEqual(renewed.notAfter);
  });

  it('by the line that follows the one that issued it', async () => {
    const { root, line, device } = await createFactory();
    const next = await createLineAuthority(root, { lineName: 'Line 1, next', keyAlgorithm: 'P-384' });
    const options = {
      previous: device.certificatePem,
      keyAlgorithm: 'P-384',
      formerLinesPem: line.certificatePem,
    } as const;
    const renewed = await renewDeviceCertificate(next, options);
    expect(renewed).toMatchObject({ issuer: next.subject, renews: { issuer: line.subject } });
    await expectCode(renewDeviceCertificate(next, { previous: device.certificatePem }), 'ERR_PKI_RENEWAL');
  });

  it('of a certificate that has expired: there is no overlap then', async () => {
    const { line, device } = await createFactory();
    const now = new Date(device.notAfter.getTime() + dayMs);
    const { renews } = await renewDeviceCertificate(line, { previous: device.certificatePem, now });
    expect(renews.overlap).toBeUndefined();
  });

  it('fail: the request has the old key', async () => {
    const { line, device } = await createFactory();
    const csr = await createDeviceRequest({
      registrationId: 'thermostat-1',
      key: createPrivateKey(device.privateKeyPem),
    });
    const error = await expectCode(
      renewDeviceCertificate(line, { previous: device.certificatePem, csr }),
      'ERR_PKI_RENEWAL',
    );
    expect(error.message).toContain('same key');
    expect(error.message).toContain(device.serialNumber);
  });

  it('fail: the request is for another device', async () => {
    const { line, device } = await createFactory();
    const { der: csr } = await makeRequest('CN=thermostat-2');
    await expectCode(
      renewDeviceCertificate(line, { previous: device.certificatePem, csr }),
      'ERR_PKI_REGISTRATION_ID_MISMATCH',
    );
  });

  it("fail: a stranger's certificate of the same name, or an authority's", async () => {
    const { line } = await createFactory();
    const other = await createFactory();
    await expectCode(renewDeviceCertificate(line, { previous: other.device.certificatePem }), 'ERR_PKI_RENEWAL');
    await expectCode(renewDeviceCertificate(line, { previous: line.certificatePem }), 'ERR_PKI_RENEWAL');
    await expectCode(renewDeviceCertificate(line, { previous: 'x' }), 'ERR_PKI_CERTIFICATE_UNREADABLE');
  });
});
