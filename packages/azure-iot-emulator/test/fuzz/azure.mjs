// A small Azure for the recorder and the fuzzer: one hub, one DPS that is linked to it, one device with its own certificate.
import 'reflect-metadata';
import { createHmac, webcrypto, X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509';
import { startAzureIot } from '../../dist/index.js';

export const names = { group: 'fuzz', hub: 'fuzz-hub', dps: 'fuzz-dps', device: 'fuzz-device' };

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** Self-signed: an individual enrollment and a thumbprint are all that it takes to be known. */
async function createDevice() {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${names.device}`,
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 86_400_000),
      notAfter: new Date(Date.now() + 86_400_000),
      extensions: [new BasicConstraintsExtension(false)],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const cert = `${certificate.toString('pem')}\n`;
  return {
    cert,
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`,
    base64: Buffer.from(certificate.rawData).toString('base64'),
    thumbprint: new X509Certificate(cert).fingerprint256.replaceAll(':', ''),
  };
}

export function signToken(resource, key, policy) {
  const expiry = Math.floor(Date.now() / 1000) + 86_400;
  const signature = createHmac('sha256', Buffer.from(key, 'base64'))
    .update(`${encodeURIComponent(resource)}\n${expiry}`)
    .digest('base64');
  return `SharedAccessSignature sr=${encodeURIComponent(resource)}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${policy}`;
}

/** One HTTPS call to the emulator. */
export function call(emulator, { host, method = 'GET', path, authorization, body, type = 'application/json' }) {
  const payload = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: emulator.httpsPort,
        servername: 'localhost',
        ca: emulator.cloud.trustedRootsPem,
        agent: false,
        method,
        path,
        headers: {
          host: host ?? `localhost:${emulator.httpsPort}`,
          'content-type': type,
          'content-length': Buffer.byteLength(payload),
          ...(authorization && { authorization }),
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode, body: text && JSON.parse(text) }));
      },
    );
    sent.on('error', reject);
    sent.end(payload);
  });
}

async function must(emulator, options) {
  const answer = await call(emulator, options);
  if (answer.status >= 300) throw new Error(`${options.path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function settled(emulator, options) {
  for (let tries = 0; tries < 200; tries += 1) {
    const body = await must(emulator, options);
    if (body.properties?.state === 'Active' || body.properties?.provisioningState === 'Succeeded') return body;
  }
  throw new Error(`${options.path} is not ready`);
}

/** Starts the emulator and sets it up over its own interfaces. */
export async function startFuzzAzure() {
  const emulator = await startAzureIot();
  const { tenantId, clientId, clientSecret } = emulator;
  const { access_token: token } = await must(emulator, {
    method: 'POST',
    path: `/${tenantId}/oauth2/v2.0/token`,
    type: 'application/x-www-form-urlencoded',
    body: `grant_type=client_credentials&client_id=${clientId}&client_secret=${encodeURIComponent(clientSecret)}&scope=${encodeURIComponent('https://management.azure.com/.default')}`,
  });
  const authorization = `Bearer ${token}`;
  const group = `/subscriptions/${emulator.subscriptionId}/resourceGroups/${names.group}`;
  const at = (path) => ({ path, authorization });
  const sku = { name: 'S1', capacity: 1 };
  await must(emulator, { method: 'PUT', ...at(`${group}?api-version=2021-04-01`), body: { location: 'westeurope' } });
  const hubPath = `${group}/providers/Microsoft.Devices/IotHubs/${names.hub}`;
  await must(emulator, {
    method: 'PUT',
    ...at(`${hubPath}?api-version=2021-07-02`),
    body: { location: 'westeurope', sku },
  });
  await settled(emulator, at(`${hubPath}?api-version=2021-07-02`));
  const hub = emulator.hub(names.hub);
  const dpsPath = `${group}/providers/Microsoft.Devices/provisioningServices/${names.dps}`;
  await must(emulator, {
    method: 'PUT',
    ...at(`${dpsPath}?api-version=2022-02-05`),
    body: {
      location: 'westeurope',
      sku,
      properties: { iotHubs: [{ connectionString: hub.connectionString('iothubowner'), location: 'westeurope' }] },
    },
  });
  const { properties } = await settled(emulator, at(`${dpsPath}?api-version=2022-02-05`));
  const keys = await must(emulator, {
    method: 'POST',
    ...at(`${dpsPath}/listkeys?api-version=2022-02-05`),
  });
  const owner = keys.value.find(({ keyName }) => keyName === 'provisioningserviceowner');
  const dpsHost = `${names.dps}.azure-devices-provisioning.localhost`;
  const device = await createDevice();
  const dpsAuthorization = signToken(dpsHost, owner.primaryKey, owner.keyName);
  await must(emulator, {
    method: 'PUT',
    host: dpsHost,
    path: `/enrollments/${names.device}?api-version=2021-10-01`,
    authorization: dpsAuthorization,
    body: {
      registrationId: names.device,
      attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: device.base64 } } } },
    },
  });
  hub.provision({
    deviceId: names.device,
    thumbprints: { primary: device.thumbprint, secondary: device.thumbprint },
  });
  const policy = hub.sharedAccessPolicies.find(({ name }) => name === 'iothubowner');
  return {
    emulator,
    hub,
    device,
    idScope: properties.idScope,
    /** What takes the place of the recorded credentials. */
    authorizations: {
      management: authorization,
      hub: signToken(`${names.hub}.azure-devices.localhost`, policy.primaryKey, policy.name),
      dps: dpsAuthorization,
    },
    hubConnectionString: hub.connectionString('iothubowner'),
    dpsConnectionString: `HostName=${dpsHost};SharedAccessKeyName=${owner.keyName};SharedAccessKey=${owner.primaryKey}`,
  };
}
