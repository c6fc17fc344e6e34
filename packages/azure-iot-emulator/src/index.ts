export { EmulatorError } from './errors.ts';
export { defaultHubAssumptions, hubAssumptionNotes } from './hub/hub-assumptions.ts';
export { HubError } from './hub/hub-error.ts';
export { documentedDpsLimits } from './dps/dps-limits.ts';
export { startAzureIot } from './start.ts';

export type { AzureIotAssumptionChanges } from './assumptions.ts';
export type { ArmAssumptions } from './arm/arm-assumptions.ts';
export type { EmulatorCloud } from './cloud.ts';
export type { HubLatency } from './dps/allocation.ts';
export type { DpsAssumptions } from './dps/dps-assumptions.ts';
export type { DpsLimits } from './dps/dps-limits.ts';
export type { RegistrationRecord, RegistrationSubstatus } from './dps/registration-record.ts';
export type { ProvisioningServiceView } from './emulator-view.ts';
export type { ServicePrincipal } from './entra/service-principal.ts';
export type { EmulatorErrorCode } from './errors.ts';
export type { CloudToDeviceRequest, FeedbackRecord } from './hub/cloud-to-device.ts';
export type { MethodRequest, MethodResponse } from './hub/direct-method.ts';
export type { AssumptionNote, HubAssumptions } from './hub/hub-assumptions.ts';
export type { ClientName } from './hub/hub-client.ts';
export type { HubErrorName } from './hub/hub-error.ts';
export type { HubQuotas, QuotaMode } from './hub/hub-quotas.ts';
export type { HubTier } from './hub/hub-tier.ts';
export type { IotHub } from './hub/iot-hub.ts';
export type { JsonObject, JsonValue } from './hub/json.ts';
export type { TelemetryMessage } from './hub/telemetry.ts';
export type { AzureIotEmulator, StartAzureIotOptions } from './start.ts';
export type { EmulatorClock } from './clock/virtual-clock.ts';
export type {
  Seed,
  SeedCertificate,
  SeedDevice,
  SeedHub,
  SeedKeys,
  SeedProvisioningService,
  SeedReport,
} from './data/seed.ts';
export type { FieldDifference, SnapshotDifference } from './data/snapshot-diff.ts';
export type { EmulatorSnapshots, Snapshot } from './data/snapshots.ts';
export type { CertificateProblem, Fault, FaultEffect, FaultKind, FaultScope, MessageLoss } from './faults/fault.ts';
export type { EmulatorFaults, NumberedFault } from './faults/fault-registry.ts';
