import { startAzureIot } from '@contoso/azure-iot-emulator';
import {
  checkPrerequisites,
  createAzureSession,
  ensureEnrollmentGroup,
  ensureRootCertificate,
} from '@contoso/dps-admin';
import {
  createLineAuthority,
  createProofOfPossession,
  createRootAuthority,
  issueDeviceCertificate,
} from '@contoso/pki';
import type { AzureReady, CutOrder } from './azure-server.ts';

// The server side in a process of its own, so that the client's figures are the client's. A device may poll DPS as often as it
// likes: a soak's agents live faster than the emulator.
const devices = Number(process.argv[2]);
const azure = await startAzureIot({ dpsLimits: { pollsPerTenSeconds: Infinity } });
const session = await createAzureSession({ cloud: azure.cloud, pollIntervalMs: 50 });
const resourceGroup = 'bench';
const dpsName = 'bench-dps';
const { dps } = await checkPrerequisites(session, {
  resourceGroup,
  dpsName,
  hubNames: ['bench-hub'],
  location: 'westeurope',
  createMissing: true,
});
const root = await createRootAuthority({ commonName: 'Bench Root CA' });
const line = await createLineAuthority(root, { lineName: 'bench-line' });
await ensureRootCertificate(session, {
  resourceGroup,
  dpsName,
  certificatePem: root.certificatePem,
  signProof: async (code) => (await createProofOfPossession(root, code)).certificatePem,
});
await ensureEnrollmentGroup(session, { dpsName, enrollmentGroupId: 'bench', certificatePem: line.certificatePem });
const credentials = [];
for (let number = 0; number < devices; number += 1) {
  const { registrationId, chainPem, privateKeyPem } = await issueDeviceCertificate(line, {
    registrationId: `bench-${number}`,
  });
  credentials.push({ registrationId, chainPem, privateKeyPem });
}
const ready: AzureReady = {
  endpoint: azure.cloud.provisioningDeviceEndpoint,
  idScope: dps.idScope,
  trustedRootsPem: azure.cloud.trustedRootsPem,
  credentials,
};
process.send?.(ready);
process.on('message', (order: CutOrder) => {
  azure.faults.add({ kind: 'drop', deviceId: order.cut })();
  process.send?.(order);
});
process.once('disconnect', () => {
  session.close();
  void azure.close();
});
