/** What DPS hands an IoT Hub when it assigns a device to it. */
export interface ProvisionedDevice {
  readonly deviceId: string;
  /** Hex SHA-1 or SHA-256 thumbprints, upper case, of the certificate that DPS accepted. */
  readonly thumbprints?: { readonly primary: string; readonly secondary: string };
  /** True: any certificate for this device ID that leads to a verified CA of the hub will do. */
  readonly isCertificateAuthority?: true;
  readonly symmetricKeys?: { readonly primary: string; readonly secondary: string };
  readonly initialTwin?: {
    readonly tags?: Readonly<Record<string, unknown>>;
    readonly desired?: Readonly<Record<string, unknown>>;
  };
  readonly capabilities?: { readonly iotEdge: boolean };
}
