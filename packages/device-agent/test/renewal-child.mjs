// A device that renews its certificate and is killed at one of the points where power may fail.
import { CertificateRenewal, estSource, loadIdentity, provision } from '@contoso/device-agent';
import { openStateStore } from '../dist/state/state-store.js';

const { killAt, folder, onboarding, est, provisioning, trustedRootsPem, announces } = JSON.parse(
  process.env.RENEWAL_TASK,
);
const identity = await loadIdentity(onboarding);
const store = openStateStore(folder, identity.registrationId);
let point = 0;
/** Before and after each thing that leaves a trace, in memory, on disk, or in the world. */
const reached = (name) => {
  process.stdout.write(`${name}\n`);
  if (point++ === killAt) process.kill(process.pid, 'SIGKILL');
};
const around = async (name, work) => {
  reached(`before ${name}`);
  const result = await work();
  reached(`after ${name}`);
  return result;
};
const source = estSource(est);
const renewal = await CertificateRenewal.open({
  store: {
    get: (name) => store.get(name),
    put: (name, value) => {
      reached('before put');
      store.put(name, value);
      reached('after put');
    },
  },
  onboarding: identity,
  source: { name: source.name, renew: (...args) => around('renew', () => source.renew(...args)) },
  proof: {
    prove: (candidate, signal) =>
      around('prove', () => provision({ identity: candidate, provisioning, trustedRootsPem, signal })),
  },
  ...(announces && { announce: () => around('announce', async () => undefined) }),
});
const inUse = renewal.current();
// Renewed already before it was killed: nothing is due.
const renewed = inUse.thumbprintSha256 === identity.thumbprintSha256 ? await renewal.renewNow() : inUse;
renewal.connected(renewed);
store.close();
process.stdout.write(`done ${renewed.thumbprintSha256}\n`);
process.exit();
