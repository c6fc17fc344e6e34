import type { Clock } from '../clock.ts';
import type { DeviceAgentError } from '../errors.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import type { MessageHandler, MessageHandling } from '../messages/inbox.ts';
import type { MethodDefinitions } from '../methods/methods.ts';
import type { CertificateFacts } from '../network/certificate-facts.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import type { TransportChoice } from '../network/transport-choice.ts';
import type { HubAddress } from '../protocol/hub-session.ts';
import type { ProvisioningService } from '../protocol/provision.ts';
import type { CertificateRenewalOptions } from '../renewal/renewal-options.ts';
import type { RenewalEvent } from '../renewal/renewal-event.ts';
import type { OutboxOptions } from '../telemetry/outbox-options.ts';
import type { DesiredDefinition } from '../twin/define-twin.ts';
import type { DesiredHandler } from '../twin/desired-properties.ts';
import type { ConnectionState } from './connection-status.ts';
import type { WorkEvent } from './device-work.ts';
import type { Fleet } from './fleet.ts';
import type { FoundHub, ProvisioningEvent } from './hub-finder.ts';
import type { TransitionEvent } from './phase.ts';
import type { OnRefusal } from './reconnection.ts';
import type { ReprovisionNames } from './reprovision-command.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { StateEvent } from './state-event.ts';

/** What the agent tells its application as it happens. */
export type AgentEvent =
  | WorkEvent
  | RenewalEvent
  | ProvisioningEvent
  | TransitionEvent
  | StateEvent
  | { readonly type: 'status'; readonly state: ConnectionState; readonly error?: DeviceAgentError }
  | ({ readonly type: 'connecting'; readonly certificate: CertificateFacts } & FoundHub)
  | {
      readonly type: 'retry';
      /** Failures in a row. */
      readonly attempt: number;
      /** Milliseconds until the next try. */
      readonly delayMs: number;
      /** Why there, and then, in a sentence. */
      readonly why: string;
      readonly error: DeviceAgentError;
    };

/** How an agent keeps itself in valid certificates. */
export type RenewalOptions = Pick<
  CertificateRenewalOptions,
  'source' | 'announce' | 'onboardingOnly' | 'renewAtFraction' | 'keyAlgorithm' | 'newKey'
>;

export interface DeviceAgentOptions {
  /** The credential given at installation; a renewed one lies in the state folder, beside it. */
  readonly identity: DeviceIdentity;
  /** Where the device's hub is found: by asking DPS (and keeping the answer), or a hub that is known already. */
  readonly connectTo: ProvisioningService | HubAddress;
  /** Folder for `agent.db`, which all agents of this process may share; made with mode 0700 where missing. */
  readonly stateFolder: string;
  /** Default `auto`: port 8883, and WebSocket on 443 where that doesn't get through. */
  readonly transport?: TransportChoice;
  /** Default: straight to Azure. */
  readonly proxy?: ProxySettings;
  /** PEM roots trusted beside Node's own. */
  readonly trustedRootsPem?: string;
  /** Seconds; half of it without a word from the hub, and it is asked. Default 180, as Microsoft's Node client. */
  readonly keepAliveSeconds?: number;
  /** JSON value for a custom allocation webhook. */
  readonly provisioningPayload?: Record<string, unknown>;
  /** Default: exponential backoff with full jitter, for ever, spread for `fleet`. */
  readonly retryPolicy?: RetryPolicy;
  /** How many devices may lose their connection together with this one. Default: itself alone. */
  readonly fleet?: Fleet;
  /** Default `retry-slowly`. */
  readonly onRefusal?: OnRefusal;
  /** Names of the operator's order to ask DPS again. */
  readonly reprovision?: ReprovisionNames;
  /** Default: none; the certificate is used until it ends. */
  readonly renewal?: RenewalOptions;
  /** Limits and shape of the telemetry on disk; docs/outbox.md. */
  readonly outbox?: OutboxOptions;
  /** Handles a cloud-to-device message. One whose handler fails is handed over again after a wait. */
  readonly onMessage?: MessageHandler;
  /** Time-out and attempts of `onMessage`. */
  readonly messages?: MessageHandling;
  /** Direct methods by name; an exception answers the caller with status 500. */
  readonly methods?: MethodDefinitions;
  /** Default: changes are followed and not acknowledged. `defineTwin` makes one with types and rules. */
  readonly onDesired?: DesiredHandler | DesiredDefinition;
  readonly onEvent?: (event: AgentEvent) => void;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** 0 (inclusive) to 1 (exclusive), for all that is spread; default `Math.random`. */
  readonly random?: () => number;
}

/** What was still undelivered when an agent stopped; it is on disk, and goes out with the next start. */
export interface StopReport {
  readonly undeliveredMessages: number;
}
