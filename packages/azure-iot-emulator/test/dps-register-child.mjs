// Registers devices one after the other with azure-iot-provisioning-device and says what came of each.
import { text } from 'node:stream/consumers';
import provisioning from 'azure-iot-provisioning-device';
import transports from 'azure-iot-provisioning-device-mqtt';
import security from 'azure-iot-security-x509';

const { host, idScope, transport, devices } = JSON.parse(await text(process.stdin));

const outcomes = [];
for (const { registrationId, cert, key } of devices) {
  const client = provisioning.ProvisioningDeviceClient.create(
    host,
    idScope,
    new transports[transport](),
    new security.X509Security(registrationId, { cert, key }),
  );
  outcomes.push(
    await client.register().then(
      (registered) => ({ registrationId, registered }),
      (error) => ({
        registrationId,
        error: { name: error.name, message: error.message, body: error.responseBody ?? error.result },
      }),
    ),
  );
}
process.stdout.write(JSON.stringify(outcomes));
