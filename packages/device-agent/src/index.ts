export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export type { HubAddress } from './connection-loop.ts';
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
export type { WorkEvent } from './device-work.ts';
export { DeviceAgentError } from './errors.ts';
export type { CertificateFacts, DeviceAgentErrorCode, FailureDetails, NetworkFailureKind } from './errors.ts';
export type { MethodResponse } from './protocol/hub-session.ts';
export type { CloudToDeviceMessage } from './messages/inbox.ts';
export type { JsonObject } from './twin/merge-patch.ts';
export type { Transport } from './protocol/mqtt-connection.ts';
export type { TelemetryMessage } from './telemetry/outbox.ts';
export { provision } from './protocol/provision.ts';
export type { Assignment, ProvisioningService, ProvisionOptions } from './protocol/provision.ts';
export { exponentialBackoff } from './retry-policy.ts';
export type { ExponentialBackoffOptions, RetryPolicy } from './retry-policy.ts';
export { stopOnSignals } from './stop-on-signals.ts';
export type { SignalSource } from './stop-on-signals.ts';
