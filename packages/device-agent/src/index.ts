export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export type { FoundHub } from './connection-loop.ts';
export type {
  ConnectionState,
  ConnectionStatus,
  ConnectionStatusReason,
  RecommendedAction,
} from './connection-status.ts';
export type { Acknowledgement, DesiredChange, DesiredHandler } from './twin/desired-properties.ts';
export { DeviceAgent } from './device-agent.ts';
export type { AgentEvent, DeviceAgentOptions, StopReport } from './device-agent.ts';
export { checkValidity, loadIdentity } from './identity/device-identity.ts';
export type { DeviceIdentity, IdentitySource } from './identity/device-identity.ts';
export type { MethodResponse, WorkEvent } from './device-work.ts';
export { DeviceAgentError } from './errors.ts';
export type { DeviceAgentErrorCode, FailureDetails } from './errors.ts';
export type { HubAddress } from './protocol/hub-session.ts';
export type { CloudToDeviceMessage } from './messages/inbox.ts';
export type { JsonObject } from './twin/merge-patch.ts';
export type { Transport } from './network/open-stream.ts';
export type { TelemetryMessage } from './telemetry/outbox.ts';
export type { CertificateFacts } from './network/certificate-facts.ts';
export type { NetworkFailureKind } from './network/connection-error.ts';
export { provision } from './protocol/provision.ts';
export type { Assignment, ProvisioningService, ProvisionOptions } from './protocol/provision.ts';
export { exponentialBackoff } from './retry-policy.ts';
export type { ExponentialBackoffOptions, RetryPolicy } from './retry-policy.ts';
export { stopOnSignals } from './stop-on-signals.ts';
export type { SignalSource } from './stop-on-signals.ts';
