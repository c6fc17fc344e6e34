import { describe, expect, it } from '@jest/globals';
import { createAzureSession, getEnrollmentGroup, getIotHub, getResourceGroup, loadCloud } from '../src/index.ts';
import { names, useAzure } from './azure.ts';
import { failureOf } from './failure.ts';

const test = useAzure({ isSetUp: true });

describe('createAzureSession', () => {
  it('takes the cloud file that the emulator wrote', async () => {
    const cloud = await loadCloud(test.azure.cloudFile!);
    // The ports are for the emulator's own commands.
    const { ports: _ports, ...known } = test.azure.cloud;
    expect(cloud).toEqual(known);
    const session = await test.signIn({ cloud });
    expect(await getResourceGroup(session, names.resourceGroup)).toEqual({
      name: 'contoso-rg',
      location: 'westeurope',
    });
  });

  it('finds the only subscription where none is given', async () => {
    const { subscriptionId, ...cloud } = test.azure.cloud;
    expect(subscriptionId).toBe(test.azure.subscriptionId);
    expect((await test.signIn({ cloud })).subscriptionId).toBe(test.azure.subscriptionId);
  });

  it('ERR_SIGN_IN with Entra’s code for a wrong secret, on every plane', async () => {
    const { cloud } = test.azure;
    const servicePrincipal = { ...cloud.servicePrincipal, clientSecret: 'wrong-secret' };
    const session = await test.signIn({ cloud: { ...cloud, servicePrincipal } });
    for (const ask of [
      () => getResourceGroup(session, names.resourceGroup),
      () => getIotHub(session, names),
      () => getEnrollmentGroup(session, { dpsName: names.dpsName, enrollmentGroupId: 'g' }),
    ]) {
      const error = await failureOf(ask);
      expect(error).toMatchObject({ code: 'ERR_SIGN_IN', advice: 'fix-access', azureCode: 'AADSTS7000215' });
      expect(error.trackingId).toMatch(/^[0-9a-f-]{36}$/);
      expect(error.message).not.toContain('wrong-secret');
    }
  });

  it('ERR_SIGN_IN when there is nothing to sign in with', async () => {
    const { servicePrincipal, subscriptionId, ...cloud } = test.azure.cloud;
    expect([servicePrincipal, subscriptionId]).not.toContain(undefined);
    const credential = {
      getToken: () =>
        Promise.reject(Object.assign(new Error('nobody is signed in'), { name: 'CredentialUnavailableError' })),
    };
    const error = await failureOf(() => createAzureSession({ cloud, credential }));
    expect(error).toMatchObject({ code: 'ERR_SIGN_IN', advice: 'fix-access' });
    expect(error.message).toContain('az login');
  });

  it('ERR_NOT_AUTHORIZED for a token that Azure does not take', async () => {
    const credential = {
      getToken: () => Promise.resolve({ token: 'made-up', expiresOnTimestamp: Date.now() + 3_600_000 }),
    };
    const session = await test.signIn({ credential });
    for (const ask of [
      () => getResourceGroup(session, names.resourceGroup),
      () => getIotHub(session, names),
      () => getEnrollmentGroup(session, { dpsName: names.dpsName, enrollmentGroupId: 'g' }),
    ]) {
      expect(await failureOf(ask)).toMatchObject({ code: 'ERR_NOT_AUTHORIZED', advice: 'fix-access', httpStatus: 401 });
    }
  });

  it('ERR_SUBSCRIPTION_NOT_FOUND for another subscription', async () => {
    const session = await test.signIn({ subscriptionId: '99999999-0000-0000-0000-000000000000' });
    expect((await failureOf(() => getResourceGroup(session, names.resourceGroup))).code).toBe(
      'ERR_SUBSCRIPTION_NOT_FOUND',
    );
    expect((await failureOf(() => getIotHub(session, names))).code).toBe('ERR_SUBSCRIPTION_NOT_FOUND');
  });

  it('stays usable after close', async () => {
    const session = await test.signIn();
    await getResourceGroup(session, names.resourceGroup);
    session.close();
    expect(await getResourceGroup(session, names.resourceGroup)).toBeDefined();
  });
});
