import { describe, expect, it } from '@jest/globals';
import { readAzureFailure, readRetryAfter } from '../src/transport/azure-failure.ts';

const noHeader = (): undefined => undefined;

describe('readAzureFailure', () => {
  it.each([
    [
      'the Devices provider, flat with a number',
      '{"code":404015,"httpStatusCode":"NotFound","message":"Certificate \'rootCA\' not found. If you contact a support representative please include this correlation identifier: 0b1e5d2c-9a51-4a53-8d0b-2f6f0f6a8f11, timestamp: 2023-02-13 03:08:26Z, errorcode: IH404015."}',
      {
        azureCode: '404015',
        text: "Certificate 'rootCA' not found.",
        trackingId: '0b1e5d2c-9a51-4a53-8d0b-2f6f0f6a8f11',
      },
    ],
    [
      'Resource Manager’s gateway',
      '{"error":{"code":"ResourceGroupNotFound","message":"Resource group \'x\' could not be found."}}',
      { azureCode: 'ResourceGroupNotFound', text: "Resource group 'x' could not be found." },
    ],
    [
      'DPS',
      '{"errorCode":401002,"trackingId":"8ad0463c","message":"Unauthorized","timestampUtc":"2020-04-10T05:24:22.4718526Z"}',
      { azureCode: '401002', text: 'Unauthorized', trackingId: '8ad0463c' },
    ],
    [
      'the hub, classic',
      '{"Message":"ErrorCode:DeviceNotFound;d1","ExceptionMessage":"Tracking ID:e4cbdbe4-G:11-TimeStamp:07/16/2016 00:12:41"}',
      { azureCode: 'DeviceNotFound', text: 'd1', trackingId: 'e4cbdbe4-G:11-TimeStamp:07/16/2016 00:12:41' },
    ],
    [
      'the hub, JSON in text',
      '{"Message":"{\\"errorCode\\":404001,\\"trackingId\\":\\"2ce0-G:0\\",\\"message\\":\\"Device d1 not found\\"}","ExceptionMessage":""}',
      { azureCode: '404001', text: 'Device d1 not found', trackingId: '2ce0-G:0' },
    ],
    ['the hub without a code', '{"Message":"Something broke","ExceptionMessage":""}', { text: 'Something broke' }],
    ['HTML', '<html>Bad gateway</html>', {}],
    ['cut JSON', '{"error":{"code":"Res', {}],
    ['nothing', undefined, {}],
    ['a list', '[1]', {}],
  ])('reads %s', (_name, body, expected) => {
    expect(readAzureFailure(noHeader, body)).toEqual(expected);
  });

  it('takes code, tracking ID and Retry-After from headers where the body has none', () => {
    const headers: Record<string, string> = {
      'iothub-errorcode': 'ThrottlingException',
      'x-ms-request-id': 'r1',
      'retry-after': '7',
    };
    expect(readAzureFailure((name) => headers[name], '')).toEqual({
      azureCode: 'ThrottlingException',
      trackingId: 'r1',
      retryAfterMs: 7000,
    });
  });
});

describe('readRetryAfter (RFC 9110 section 10.2.3)', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  it.each([
    [undefined, undefined],
    ['15', 15_000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Thu, 01 Jan 2025 00:00:30 GMT', 0],
    ['soon', undefined],
  ])('%s is %s', (value, expected) => {
    expect(readRetryAfter(value, now)).toBe(expected);
  });
});
