import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureAuthorityHosts } from '@azure/identity';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { clouds, loadCloud } from '../src/index.ts';
import { failureOf } from './failure.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloud-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function cloudFile(text: string): Promise<string> {
  const path = join(folder, 'cloud.json');
  await writeFile(path, text);
  return path;
}

describe('presets', () => {
  it('use the authority hosts of @azure/identity', () => {
    expect(clouds.public.authorityHost).toBe(AzureAuthorityHosts.AzurePublicCloud);
    expect(clouds.usgov.authorityHost).toBe(AzureAuthorityHosts.AzureGovernment);
    expect(clouds.china.authorityHost).toBe(AzureAuthorityHosts.AzureChina);
  });

  it.each(['public', 'usgov', 'china'] as const)('%s is loaded by its name', async (name) => {
    expect(await loadCloud(name)).toBe(clouds[name]);
    expect(clouds[name].name).toBe(name);
  });
});

describe('cloud files', () => {
  const full = {
    ...clouds.public,
    name: 'lab',
    trustedRootsPem: 'PEM',
    subscriptionId: 'sub',
    servicePrincipal: { tenantId: 't', clientId: 'c', clientSecret: 's3cret' },
  };

  it('give back what was written', async () => {
    expect(await loadCloud(await cloudFile(JSON.stringify(full)))).toEqual(full);
  });

  it('may end their addresses with a slash', async () => {
    const path = await cloudFile(
      JSON.stringify({ ...full, authorityHost: 'https://login.example/', hubAudience: 'https://h/' }),
    );
    expect(await loadCloud(path)).toMatchObject({ authorityHost: 'https://login.example', hubAudience: 'https://h' });
  });

  it('fail when there is no such file', async () => {
    const error = await failureOf(() => loadCloud(join(folder, 'nowhere.json')));
    expect(error).toMatchObject({ code: 'ERR_CLOUD_FILE', advice: 'fix-input' });
    expect(error.message).toContain('there is no such file');
  });

  it('fail when the file cannot be read', async () => {
    expect((await failureOf(() => loadCloud(folder))).message).toContain('cannot be read');
  });

  it('fail on bad JSON without quoting it', async () => {
    const path = await cloudFile('{"servicePrincipal":{"clientSecret":"s3cret"');
    const error = await failureOf(() => loadCloud(path));
    expect(error).toMatchObject({ code: 'ERR_CLOUD_FILE' });
    expect(error.message).toContain('not JSON');
    expect(`${error.message}${String(error.cause)}`).not.toContain('s3cret');
  });

  it.each(Object.keys(clouds.public))('fail when %s is missing', async (field) => {
    const path = await cloudFile(JSON.stringify({ ...full, [field]: undefined }));
    expect((await failureOf(() => loadCloud(path))).message).toContain(`'${field}' is missing`);
  });

  it.each([
    ['[]', 'not a JSON object'],
    [JSON.stringify({ ...full, name: 7 }), "'name' has to be text"],
    [JSON.stringify({ ...full, authorityHost: 'http://login.example' }), 'begins with https://'],
    [JSON.stringify({ ...full, resourceManagerEndpoint: 'management' }), 'begins with https://'],
    [JSON.stringify({ ...full, servicePrincipal: 'me' }), "'servicePrincipal' has to be an object"],
    [
      JSON.stringify({ ...full, servicePrincipal: { tenantId: 't', clientId: 'c' } }),
      "'servicePrincipal.clientSecret' is missing",
    ],
    [JSON.stringify({ ...full, trustedRootsPem: '' }), "'trustedRootsPem' has to be text"],
  ])('fail on %s', async (text, reason) => {
    const path = await cloudFile(text);
    const error = await failureOf(() => loadCloud(path));
    expect(error.code).toBe('ERR_CLOUD_FILE');
    expect(error.message).toContain(reason);
  });
});

describe('names', () => {
  it('fail when unknown, naming those that are known', async () => {
    const error = await failureOf(() => loadCloud('mars'));
    expect(error).toMatchObject({ code: 'ERR_CLOUD_UNKNOWN', advice: 'fix-input' });
    expect(error.message).toMatch(/'mars'.*public, usgov or china/);
  });

  it('are text', async () => {
    await expect(loadCloud(7 as unknown as string)).rejects.toBeInstanceOf(TypeError);
  });

  it.each(['toString', '__proto__'])('are not members of Object: %s', async (name) => {
    expect((await failureOf(() => loadCloud(name))).code).toBe('ERR_CLOUD_UNKNOWN');
  });
});
