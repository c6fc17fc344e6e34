import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkRegistrationId, PkiError, type PkiErrorCode } from '../src/index.ts';
import { expectCode } from './fixtures.ts';

const safe = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;

describe('registration ID', () => {
  it.each(['a', '7', 'thermostat-1', 'a.b_c-d', '0'.repeat(64)])('ok: %s', (id) => {
    expect(() => checkRegistrationId(id)).not.toThrow();
  });

  it.each<[string, PkiErrorCode, string]>([
    ['', 'ERR_PKI_REGISTRATION_ID_EMPTY', 'empty'],
    ['a'.repeat(65), 'ERR_PKI_REGISTRATION_ID_TOO_LONG', '65 characters'],
    ['Thermostat-1', 'ERR_PKI_REGISTRATION_ID_UPPER_CASE', 'Use "thermostat-1"'],
    ['line:1', 'ERR_PKI_REGISTRATION_ID_CHARACTER', '":" is not allowed'],
    ['café', 'ERR_PKI_REGISTRATION_ID_CHARACTER', '"é"'],
    ['a/../b', 'ERR_PKI_REGISTRATION_ID_CHARACTER', '"/"'],
    ['a\nb', 'ERR_PKI_REGISTRATION_ID_CHARACTER', '"\\n"'],
    ['😀', 'ERR_PKI_REGISTRATION_ID_CHARACTER', '"😀"'],
    ['-a', 'ERR_PKI_REGISTRATION_ID_EDGE', 'begin and end'],
    ['a.', 'ERR_PKI_REGISTRATION_ID_EDGE', 'begin and end'],
    ['_', 'ERR_PKI_REGISTRATION_ID_EDGE', 'begin and end'],
  ])('fail: %j is %s', async (id, code, hint) => {
    const error = await expectCode(() => checkRegistrationId(id), code);
    expect(error.message).toContain(hint);
  });

  it('takes exactly what DPS, the hub and X.509 all take', () => {
    const near = fc.string({ unit: fc.constantFrom(...Array.from('abz09._-AZ:/ é\n')), maxLength: 70 });
    fc.assert(
      fc.property(fc.oneof(near, fc.string(), fc.stringMatching(safe)), (id) => {
        expect(isTaken(id)).toBe(safe.test(id));
      }),
      { numRuns: 2000 },
    );
  });

  it('fail: not a string', () => {
    expect(() => checkRegistrationId(7 as unknown as string)).toThrow(TypeError);
  });
});

function isTaken(id: string): boolean {
  try {
    checkRegistrationId(id);
    return true;
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}
