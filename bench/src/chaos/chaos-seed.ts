import type { Seed } from '@contoso/azure-iot-emulator';

export const names = { hub: 'chaos-hub', dps: 'chaos-dps' };

/** One hub, one DPS that is linked to it, the root verified, a group for the line. */
export function chaosSeed(certificates: { readonly rootPem: string; readonly linePem: string }): Seed {
  return {
    hubs: [{ name: names.hub, sku: 'S1' }],
    provisioningServices: [
      {
        name: names.dps,
        linkedHubs: [names.hub],
        certificates: [{ name: 'root', certificate: certificates.rootPem }],
        enrollmentGroups: [
          {
            enrollmentGroupId: 'line-1',
            attestation: {
              type: 'x509',
              x509: { signingCertificates: { primary: { certificate: certificates.linePem } } },
            },
          },
        ],
      },
    ],
  };
}
