import { describe, expect, it } from '@jest/globals';
import { isProxied, proxyFromEnvironment } from '../src/network/proxy-settings.ts';

describe('proxy settings of the environment', () => {
  it.each([
    [{}, undefined],
    [{ HTTPS_PROXY: ' ' }, undefined],
    [{ HTTP_PROXY: 'http://web:1' }, undefined],
    [{ HTTPS_PROXY: 'http://upper:1' }, { url: 'http://upper:1' }],
    [{ HTTPS_PROXY: 'http://upper:1', https_proxy: 'http://lower:1' }, { url: 'http://lower:1' }],
    [
      { ALL_PROXY: 'proxy:3128', NO_PROXY: 'a, b' },
      { url: 'http://proxy:3128', noProxy: 'a, b' },
    ],
  ])('ok: %j', (env, settings) => {
    expect(proxyFromEnvironment(env)).toEqual(settings);
  });
});

describe('NO_PROXY', () => {
  it.each([
    ['', 'hub.azure-devices.net', true],
    ['*', 'hub.azure-devices.net', false],
    ['azure-devices.net', 'hub.azure-devices.net', false],
    ['azure-devices.net', 'azure-devices.net', false],
    ['.azure-devices.net', 'HUB.azure-devices.net', false],
    ['*.azure-devices.net', 'hub.azure-devices.net', false],
    ['devices.net', 'hub.azure-devices.net', true],
    ['example.com hub.azure-devices.net', 'hub.azure-devices.net', false],
    ['hub.azure-devices.net:443', 'hub.azure-devices.net', true],
    ['hub.azure-devices.net:8883', 'hub.azure-devices.net', false],
    ['10.0.0.0/8', '10.1.2.3', false],
    ['10.0.0.0/8', '11.1.2.3', true],
    ['10.0.0.0/99', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.3', false],
    ['10.1.2.3:8883', '10.1.2.3', false],
    ['10.1.2.3:443', '10.1.2.3', true],
    ['fd00::/8', 'fd12::1', false],
    ['fd12::1', 'fd12::1', false],
    ['[fd12::1]:443', 'fd12::1', true],
    ['example.com', '10.1.2.3', true],
  ])('ok: with %j, %s goes through the proxy: %s', (noProxy, name, expected) => {
    expect(isProxied({ url: 'http://proxy', noProxy }, { name, port: 8883 })).toBe(expected);
  });
});
