import { it } from '@jest/globals';
import { issue } from './dps-certificates.ts';
import { groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callServiceApi } from './dps-wire.ts';
it.each([0, 1, 3])('measure %d', async (s) => {
  const f = await startDpsFixture({ registrationRetryAfterSeconds: s });
  const line = await issue({ commonName: 'Line', issuer: f.root, isAuthority: true });
  await callServiceApi(f, { method: 'PUT', path: '/enrollmentGroups/line', body: groupOf('line', line) });
  const ds = await Promise.all(['a', 'b', 'c', 'd'].map((x) => issueDevice(x, [line])));
  process.stderr.write(`retry-after ${s}: ${JSON.stringify((await f.register(ds)).map((o) => Math.round(o.tookMs ?? -1)))}\n`);
  await f.emulator.close();
});
