export { createAzureSession } from './azure-session.ts';
export type { AzureSession, AzureSessionOptions } from './azure-session.ts';
export { deleteCaCertificate, getCaCertificate, listCaCertificates } from './ca-certificate.ts';
export type { CaCertificate, CaCertificateTarget } from './ca-certificate.ts';
export { clouds, loadCloud, parseCloud } from './cloud.ts';
export type { Cloud, CloudName, ServicePrincipal } from './cloud.ts';
export { deleteDeviceIdentity, disableDeviceIdentity, getDeviceIdentity } from './device-identity.ts';
export type { DeviceIdentity, DeviceIdentityTarget } from './device-identity.ts';
export type { StoredSettings } from './enrollment-document.ts';
export {
  createEnrollmentGroup,
  deleteEnrollmentGroup,
  ensureEnrollmentGroup,
  getEnrollmentGroup,
  listEnrollmentGroups,
  updateEnrollmentGroup,
} from './enrollment-group.ts';
export type {
  EnrollmentGroup,
  EnrollmentGroupOptions,
  EnrollmentGroupResult,
  EnrollmentGroupTarget,
  GroupAttestation,
} from './enrollment-group.ts';
export type {
  AllocationPolicy,
  CustomAllocation,
  EnrollmentSettings,
  InitialTwin,
  ProvisioningStatus,
  ReprovisionPolicy,
} from './enrollment-settings.ts';
export { DpsAdminError, hasDpsAdminCode, isDpsAdminError } from './errors.ts';
export type { DpsAdminAdvice, DpsAdminErrorCode, DpsAdminErrorDetails, MissingPrerequisite } from './errors.ts';
export {
  blockDevice,
  deleteIndividualEnrollment,
  getIndividualEnrollment,
  putIndividualEnrollment,
} from './individual-enrollment.ts';
export type {
  IndividualEnrollment,
  IndividualEnrollmentOptions,
  IndividualEnrollmentTarget,
} from './individual-enrollment.ts';
export { getIotHub } from './iot-hub.ts';
export type { IotHub, IotHubTarget } from './iot-hub.ts';
export type { CreatedPrerequisite, PrerequisiteProgress } from './prerequisite-creation.ts';
export { checkPrerequisites } from './prerequisites.ts';
export type { PrerequisiteOptions, PrerequisiteReport } from './prerequisites.ts';
export { getProvisioningService } from './provisioning-service.ts';
export type { ProvisioningService, ProvisioningServiceTarget } from './provisioning-service.ts';
export { deleteRegistrationRecord, getRegistrationRecord, listRegistrationRecords } from './registration-record.ts';
export type { RegistrationRecord, RegistrationTarget } from './registration-record.ts';
export { getResourceGroup } from './resource-group.ts';
export type { ResourceGroup } from './resource-group.ts';
export { applyRolloverStep } from './rollover-step.ts';
export type { RolloverStep, RolloverStepResult, RolloverTarget } from './rollover-step.ts';
export { ensureRootCertificate } from './root-certificate.ts';
export type { RootCertificateOptions, RootCertificateProgress, VerifiedRoot } from './root-certificate.ts';
export type { Task, Subject } from './transport/attempt.ts';
export type { JsonRecord } from './transport/json-value.ts';
export type { RestAnswer, RestClient, RestRequest } from './transport/rest-client.ts';
export { commonNameOf } from './x509-attestation.ts';
export type { CertificateInfo, StoredAttestation } from './x509-attestation.ts';
