import { describe, expect, it } from '@jest/globals';
describe('x', () => {
  it('y', async () => {
    const { X509Certificate } = await import('node:crypto');
    expect(X509Certificate).toBeDefined();
  });
});
