import type { ProvisionedDevice } from '../hub/provisioned-device.ts';
import type { Certificate } from '../certificates/certificate.ts';
import type { Enrollment } from './enrollment.ts';

/** A device whose identity is proved: the enrollment that lets it in, and what the hub will know it by. */
export interface Attested extends Pick<ProvisionedDevice, 'thumbprints' | 'symmetricKeys' | 'isCertificateAuthority'> {
  readonly enrollment: Enrollment;
  /** The device's certificate, where it showed one. */
  readonly leaf?: Certificate;
}
