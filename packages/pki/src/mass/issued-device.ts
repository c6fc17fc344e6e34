import type { DeviceCertificate, DeviceCredential } from '../device-certificate.ts';
import { PkiError } from '../errors.ts';
import { decodePem, encodePem } from '../pem.ts';

/** A device's new certificate. Its texts are made when they are read, so take each once. */
export interface IssuedDevice extends DeviceCertificate {
  certificateDer: Uint8Array;
  /** Subject key identifier, lower-case hexadecimal. */
  keyIdentifier: string;
}

/** A device's new certificate with the key that was made for it. Holds the key in the clear: don't log it. */
export interface IssuedCredential extends IssuedDevice, DeviceCredential {
  /**
   * Unencrypted PKCS#8.
   *
   * @throws {PkiError} ERR_PKI_KEY_WIPED, as `privateKeyPem` too
   */
  privateKeyDer: Uint8Array;
  /** Overwrites the key with zeros. A text that `privateKeyPem` has given out before can't be reached any more. */
  wipe(): void;
}

/** A certificate of the ordinary path in the shape of mass issuing. */
export function ordinaryDevice(certificate: DeviceCertificate, keyIdentifier: string): IssuedDevice {
  return { ...certificate, keyIdentifier, certificateDer: octetsOf(certificate.certificatePem) };
}

/** As ordinaryDevice, with its key. */
export function ordinaryCredential(credential: DeviceCredential, keyIdentifier: string): IssuedCredential {
  const { privateKeyPem, ...certificate } = credential;
  const key = octetsOf(privateKeyPem);
  let isWiped = false;
  return {
    ...ordinaryDevice(certificate, keyIdentifier),
    get privateKeyDer() {
      if (isWiped) throw keyWiped(this.registrationId);
      return key;
    },
    get privateKeyPem() {
      return encodePem('PRIVATE KEY', this.privateKeyDer);
    },
    wipe: () => {
      isWiped = true;
      key.fill(0);
    },
  };
}

/** Of a device that came with its key: nobody gets it, or who was to get it has it. */
export function wipeKey(device: IssuedDevice | IssuedCredential): void {
  if ('wipe' in device) device.wipe();
}

export function keyWiped(registrationId: string): PkiError {
  return new PkiError(
    'ERR_PKI_KEY_WIPED',
    `The key of "${registrationId}" has been wiped: save a device before its key is wiped, or issue it again.`,
  );
}

function octetsOf(pem: string): Uint8Array {
  return decodePem(pem)[0]?.der ?? new Uint8Array();
}
