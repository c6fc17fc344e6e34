import { describe, expect, it } from '@jest/globals';
import { checkClock } from '../src/renewal/clock-sanity.ts';

describe('a clock', () => {
  const release = '2027-03-01T12:00:00.000Z';
  const earlier = new Date('2026-06-01T00:00:00Z');
  const later = new Date('2028-06-01T00:00:00Z');

  it.each([
    ['fail: before this release', '2027-03-01T11:59:59Z', [earlier], release],
    ['fail: before a certificate that it has', '2028-05-31T23:59:59Z', [earlier, later], '2028-06-01T00:00:00.000Z'],
  ])('%s', (_, now, certificates, earliest) => {
    expect(() => checkClock(new Date(now), certificates, release)).toThrow(
      expect.objectContaining({
        code: 'ERR_AGENT_CLOCK',
        message: expect.stringMatching(`can't be earlier than ${earliest}`),
      }),
    );
  });

  it('ok: at the release, and in a clone, where nobody knows of one, after its certificates', () => {
    checkClock(new Date(release), [earlier], release);
    checkClock(new Date('2026-06-01T00:00:00Z'), [earlier], undefined);
  });
});
