export { createLineAuthority, createRootAuthority, openAuthority } from './authority.ts';
export type { CertificateAuthority, LineAuthorityOptions, RootAuthorityOptions } from './authority.ts';
export { loadAuthority, saveAuthority } from './authority-files.ts';
export type {
  AuthorityLocation,
  AuthorityPaths,
  HeldAuthorityLocation,
  SaveAuthorityOptions,
} from './authority-files.ts';
export { createAuthorityRequest, signAuthorityRequest } from './authority-request.ts';
export type { AuthorityCertificate, AuthorityRequestOptions } from './authority-request.ts';
export { readCertificates, thumbprints } from './certificate.ts';
export type { CertificateDetails, Thumbprints } from './certificate.ts';
export { createDeviceRequest, signDeviceRequest } from './certificate-request.ts';
export type { DeviceAllowance, DeviceRequestOptions } from './certificate-request.ts';
export type { ChainProblem, ChainProblemCode, ChainRule } from './chain-problem.ts';
export { verifyChain } from './chain-verification.ts';
export type { ChainVerification, ChainVerificationOptions } from './chain-verification.ts';
export { openDeviceBundle, sealDeviceBundle } from './device-bundle.ts';
export type { BundledDevice, OpenBundleOptions, SealBundleOptions } from './device-bundle.ts';
export { issueDeviceCertificate } from './device-certificate.ts';
export type { DeviceCertificate, DeviceCertificateOptions, DeviceCredential } from './device-certificate.ts';
export { createSoftwareKey, openSoftwareKey } from './custody/software-key.ts';
export { readCredential, saveDevice } from './device-files.ts';
export type { Credential, CredentialLocation, DevicePaths, SaveDeviceOptions } from './device-files.ts';
export { decryptPrivateKey, encryptPrivateKey } from './encrypted-private-key.ts';
export type { KeyOpeningOptions } from './encrypted-private-key.ts';
export { PkiError } from './errors.ts';
export type { PkiErrorCode } from './errors.ts';
export { explain } from './explain.ts';
export type { ChainContext, ChainExplanation, ChainFinding } from './explain.ts';
export type { AzureAnswer } from './explain-azure.ts';
export { createCrl } from './life/crl.ts';
export type { CrlOptions } from './life/crl.ts';
export { readCrl } from './life/crl-reading.ts';
export type { RevocationList } from './life/crl-reading.ts';
export { createCrossCertificate } from './life/cross-certificate.ts';
export type { CrossCertificate, CrossCertificateOptions } from './life/cross-certificate.ts';
export { renewDeviceCertificate } from './life/renewal.ts';
export type { RenewalOptions, RenewedCertificate, RenewedCredential, RenewedFrom } from './life/renewal.ts';
export type { RevocationReason, RevokedCertificate } from './life/revocation.ts';
export { planLineRollover, planRootRollover } from './life/rollover.ts';
export type { LineRolloverOptions, NamedAuthority, RolloverStep, RootRolloverOptions } from './life/rollover.ts';
export type { KeyAlgorithm } from './key-algorithm.ts';
export type { KeyDerivation } from './pbes2.ts';
export { issueMany } from './mass/issue-many.ts';
export type { IssuedFor } from './mass/issue-many.ts';
export type { IssuedCredential, IssuedDevice } from './mass/issued-device.ts';
export type { DeviceReceiver, IssueManyOptions, IssueProgress, RefusedItem, RequestItem } from './mass/mass-order.ts';
export { decodePfx, encodePfx } from './pfx.ts';
export type { DecodedPfx, PfxContent, PfxOptions } from './pfx.ts';
export { createProofOfPossession } from './proof-of-possession.ts';
export type { ProofOfPossession } from './proof-of-possession.ts';
export { checkRegistrationId } from './registration-id.ts';
export { isSoftwareKey } from './signing-key.ts';
export type { SigningKey, SoftwareSigningKey } from './signing-key.ts';
