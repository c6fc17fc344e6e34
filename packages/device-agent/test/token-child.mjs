// A process with a real environment, in which OpenSSL's engine finds its module: jest gives a test only a copy of it.
import { execFileSync } from 'node:child_process';
import { CertificateRenewal, DeviceAgent, estSource, loadIdentity, provision } from '@contoso/device-agent';

const { identity: source, agent: agentOptions, renewal: renewalOptions } = JSON.parse(process.env.TOKEN_TASK);

/** The next key made in the token by OpenSC's tool, and its request signed there by OpenSSL: what an integrator does. */
const makeKeyInToken = ({ pkcs11, registrationId }) => {
  const { modulePath, pin } = pkcs11;
  const label = `${registrationId}-next`;
  const login = ['--module', modulePath, '--token-label', 'Device', '--login', '--pin', 'env:TOKEN_PIN'];
  const key = ['--keypairgen', '--key-type', 'EC:prime256v1', '--label', label, '--id', 'b1'];
  execFileSync('pkcs11-tool', [...login, ...key], { stdio: 'pipe' });
  const uri = `pkcs11:token=Device;object=${label};type=private`;
  const signing = ['-engine', 'pkcs11', '-keyform', 'engine', '-key', `${uri}?pin-source=file:${pin.file}`];
  const csrDer = execFileSync(
    'openssl',
    ['req', '-new', ...signing, '-subj', `/CN=${registrationId}`, '-outform', 'DER'],
    { stdio: 'pipe' },
  );
  return Promise.resolve({ key: { pkcs11: { uri, modulePath, pin } }, csrDer });
};

const renew = async (onboarding, { est, provisioning, trustedRootsPem }) => {
  let value;
  const renewal = await CertificateRenewal.open({
    store: { get: () => value, put: (_, next) => (value = JSON.parse(JSON.stringify(next))) },
    onboarding,
    source: estSource(est),
    proof: { prove: (identity, signal) => provision({ identity, provisioning, trustedRootsPem, signal }) },
    newKey: makeKeyInToken,
  });
  return { identity: await renewal.renewNow(), stored: value };
};

const tell = (answer) => process.stdout.write(JSON.stringify(answer));
try {
  const identity = await loadIdentity(source);
  if (agentOptions !== undefined) {
    const agent = new DeviceAgent({ ...agentOptions, identity });
    await agent.start();
    await agent.send({ body: { from: 'token' } });
    await agent.flush();
    await agent.stop();
  }
  tell(renewalOptions === undefined ? { identity } : await renew(identity, renewalOptions));
} catch ({ code, message, advice, certificate }) {
  tell({ error: { code, message, advice, certificate } });
}
