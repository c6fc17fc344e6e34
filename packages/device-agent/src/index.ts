export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export type { FoundHub, ProvisioningEvent } from './agent/hub-finder.ts';
export type { Phase, TransitionEvent } from './agent/phase.ts';
export type { StateEvent } from './agent/state-event.ts';
export type { ReprovisionNames, ReprovisionRequest } from './agent/reprovision-command.ts';
export type {
  ConnectionState,
  ConnectionStatus,
  ConnectionStatusReason,
  RecommendedAction,
} from './agent/connection-status.ts';
export { defineTwin } from './twin/define-twin.ts';
export type { DesiredDefinition, PatchOf, PropertiesOf, PropertySchemas, TwinDefinition } from './twin/define-twin.ts';
export type {
  Acknowledgement,
  Acknowledgements,
  DesiredChange,
  DesiredHandler,
  Removable,
} from './twin/desired-properties.ts';
export type { TwinEvent } from './twin/device-twin.ts';
export { DeviceAgent } from './agent/device-agent.ts';
export type { AgentEvent, DeviceAgentOptions, RenewalOptions, StopReport } from './agent/agent-options.ts';
export { diagnose } from './diagnosis/diagnose.ts';
export { exitCode } from './diagnosis/diagnosis.ts';
export type { CheckName, CheckStatus, Diagnosis, DiagnosisCheck } from './diagnosis/diagnosis.ts';
export { formatDiagnosis } from './diagnosis/diagnosis-text.ts';
export type { DiagnoseOptions } from './diagnosis/examination.ts';
export { checkValidity, loadIdentity } from './identity/device-identity.ts';
export type { DeviceIdentity, IdentitySource } from './identity/device-identity.ts';
export type { WorkEvent } from './agent/device-work.ts';
export type { TokenKey } from './identity/token-key.ts';
export { CertificateRenewal } from './renewal/certificate-renewal.ts';
export type { CertificateRenewalOptions, CredentialProof } from './renewal/renewal-options.ts';
export { certificateReport } from './renewal/certificate-report.ts';
export type { CertificateReport } from './renewal/certificate-report.ts';
export type { CertificateFunction, CertificateSource, RenewalRequest } from './renewal/certificate-source.ts';
export type { CredentialStore, DroppedCertificate } from './renewal/credentials.ts';
export { estSource } from './renewal/est-source.ts';
export type { EstOptions } from './renewal/est-source.ts';
export type { NewKey, NewKeyAlgorithm, NewKeyFunction } from './renewal/new-key.ts';
export type { RenewalEvent, RenewalStep } from './renewal/renewal-event.ts';
export { DeviceAgentError } from './errors.ts';
export type { DeviceAgentErrorCode, FailureDetails } from './errors.ts';
export type { HubAddress } from './protocol/hub-session.ts';
export type { HandlerContext } from './handler-call.ts';
export type { CloudToDeviceMessage } from './messages/cloud-to-device.ts';
export type { InboxEvent, MessageContext, MessageHandler, MessageHandling } from './messages/inbox.ts';
export { defineMethod } from './methods/methods.ts';
export type {
  MethodDefinition,
  MethodDefinitions,
  MethodFailure,
  MethodHandler,
  MethodResponse,
} from './methods/methods.ts';
export { jsonSchema } from './schema/json-schema.ts';
export type { JsonSchemaError, JsonSchemaValidator } from './schema/json-schema.ts';
export type { OutputOf, SchemaIssue, SchemaResult, StandardIssue, StandardSchema } from './schema/standard-schema.ts';
export type { JsonObject } from './twin/merge-patch.ts';
export type { Transport } from './network/open-stream.ts';
export type { BatchOptions } from './telemetry/batch.ts';
export type { OutboxEvent, OutboxOptions } from './telemetry/outbox-options.ts';
export type { TelemetryMessage, TelemetryPriority } from './telemetry/telemetry-message.ts';
export { proxyFromEnvironment } from './network/proxy-settings.ts';
export type { ProxySettings } from './network/proxy-settings.ts';
export type { TransportChoice } from './network/transport-choice.ts';
export type { CertificateFacts } from './network/certificate-facts.ts';
export type { NetworkFailureKind } from './network/connection-error.ts';
export { provision } from './protocol/provision.ts';
export type { Assignment, ProvisioningService, ProvisionOptions } from './protocol/provision.ts';
export { spreadWindowMs } from './agent/fleet.ts';
export type { Destination, Fleet } from './agent/fleet.ts';
export { exponentialBackoff } from './agent/retry-policy.ts';
export type { ExponentialBackoffOptions, FailedTry, RetryLane, RetryPolicy } from './agent/retry-policy.ts';
export { Reconnection } from './agent/reconnection.ts';
export type { Decision, Failure, NextTry, OnRefusal, ReconnectionOptions } from './agent/reconnection.ts';
export type { FailureKind, NextStep } from './agent/next-step.ts';
export { stopOnSignals } from './stop-on-signals.ts';
export type { SignalSource } from './stop-on-signals.ts';
export type { DeviceApplication } from './service/application.ts';
