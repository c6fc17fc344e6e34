// Records what Microsoft's unmodified clients send, after TLS, on the emulator's side: `npm run fuzz -- --record`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { ClientSecretCredential } from '@azure/identity';
import { IotDpsClient } from '@azure/arm-deviceprovisioningservices';
import { IotHubClient } from '@azure/arm-iothub';
import { formatPorts, PORTS_VARIABLE } from '../../dist/redirect/route.js';
import { names, startFuzzAzure } from './azure.mjs';

const azure = await startFuzzAzure();

// The hook: what TLS hands up on a server's socket passes here before anybody reads it.
const sessions = new Map();
const push = TLSSocket.prototype.push;
TLSSocket.prototype.push = function record(chunk, encoding) {
  if (this.server && Buffer.isBuffer(chunk)) {
    const session = sessions.get(this) ?? [];
    sessions.set(this, session);
    // Keeps node:http from reading past the hook.
    if (this._handle) this._handle._consumed = true;
    session.push(Buffer.from(chunk));
  }
  return push.call(this, chunk, encoding);
};

async function runClients() {
  const folder = await mkdtemp(join(tmpdir(), 'emulator-record-'));
  const roots = join(folder, 'roots.pem');
  const { emulator } = azure;
  await writeFile(roots, emulator.cloud.trustedRootsPem);
  const script = (file) => new URL(file, import.meta.url);
  const child = spawn(
    process.execPath,
    ['--import', script('../../dist/redirect/hook.js').href, fileURLToPath(script('clients.mjs'))],
    {
      env: { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: roots, [PORTS_VARIABLE]: formatPorts(emulator.cloud.ports) },
      stdio: ['pipe', 'inherit', 'inherit'],
    },
  );
  child.stdin.end(
    JSON.stringify({
      device: azure.device,
      deviceId: names.device,
      idScope: azure.idScope,
      deviceEndpoint: emulator.cloud.provisioningDeviceEndpoint,
      hubHost: azure.hub.hostName.replace(/:\d+$/, ''),
      hubConnectionString: azure.hubConnectionString.replace(/:\d+;/, ';'),
      dpsConnectionString: azure.dpsConnectionString,
    }),
  );
  const [code] = await once(child, 'close');
  await rm(folder, { recursive: true });
  if (code !== 0) throw new Error('the clients failed; what they said stands above');
}

async function runManagement() {
  const { cloud } = azure.emulator;
  const tlsOptions = { ca: cloud.trustedRootsPem };
  const { tenantId, clientId, clientSecret } = cloud.servicePrincipal;
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, {
    authorityHost: cloud.authorityHost,
    disableInstanceDiscovery: true,
    tlsOptions,
  });
  const options = { endpoint: cloud.resourceManagerEndpoint, tlsOptions };
  const dps = new IotDpsClient(credential, cloud.subscriptionId, options);
  const hubs = new IotHubClient(credential, cloud.subscriptionId, options);
  await dps.iotDpsResource.get(names.dps, names.group);
  await hubs.iotHubResource.get(names.group, names.hub);
  await dps.dpsCertificate.createOrUpdate(names.group, names.dps, 'recorded', {
    properties: { certificate: Buffer.from(azure.device.base64, 'base64') },
  });
}

/** Nothing of a run that is worth keeping secret stays, and credentials become what the fuzzer replaces. */
function scrub(bytes) {
  const { clientSecret, subscriptionId, tenantId } = azure.emulator;
  return Buffer.from(
    bytes
      .toString('latin1')
      .replace(/(authorization: )Bearer [^\r]+/gi, '$1{{management}}')
      .replace(/(authorization: )SharedAccessSignature sr=[^&\r]*provisioning[^\r]+/gi, '$1{{dps}}')
      .replace(/(authorization: )SharedAccessSignature [^\r]+/gi, '$1{{hub}}')
      .replaceAll(encodeURIComponent(clientSecret), 'secret')
      .replaceAll(clientSecret, 'secret')
      .replaceAll(subscriptionId, '{{subscription}}')
      .replaceAll(tenantId, '{{tenant}}')
      .replaceAll(azure.idScope, '{{idScope}}')
      .replaceAll(azure.device.base64, 'MIIB'),
    'latin1',
  );
}

/** Fields of MQTT are counted, so that a placeholder has to be as long as what it stands for. */
function scrubMqtt(bytes) {
  return Buffer.from(bytes.toString('latin1').replaceAll(azure.idScope, '0neSCOPE000'), 'latin1');
}

function kindOf(first) {
  if (first[0] === 0x10) return 'mqtt';
  return /upgrade: websocket/i.test(first.toString('latin1')) ? 'websocket' : 'http';
}

await runClients();
await runManagement();
const folder = fileURLToPath(new URL('recordings/', import.meta.url));
for (const file of await readdir(folder)) await rm(join(folder, file));
const counts = {};
for (const chunks of sessions.values()) {
  const kind = kindOf(chunks[0]);
  const number = (counts[kind] = (counts[kind] ?? 0) + 1);
  const scrubbed = chunks.map((chunk) => (kind === 'http' ? scrub(chunk) : scrubMqtt(chunk)));
  const recording = { kind, chunks: scrubbed.map((chunk) => chunk.toString('base64')) };
  await writeFile(join(folder, `${kind}-${number}.json`), `${JSON.stringify(recording, undefined, 2)}\n`);
}
await azure.emulator.close();
process.stdout.write(`${JSON.stringify(counts)}\n`);
process.exit(0);
