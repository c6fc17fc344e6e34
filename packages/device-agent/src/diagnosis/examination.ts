import type { X509Certificate } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { DeviceIdentity, IdentitySource } from '../identity/device-identity.ts';
import type { ConnectionError } from '../network/connection-error.ts';
import type { HttpProbe } from '../network/http-probe.ts';
import type { Transport } from '../network/open-stream.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import type { TransportChoice } from '../network/transport-choice.ts';
import type { ProvisioningService } from '../protocol/provision.ts';
import type { KeptPlace } from '../state/state-summary.ts';
import type { CheckSpec } from './check-run.ts';
import type { DiagnosisCheck } from './diagnosis.ts';
import type { Machine } from './machine.ts';
import type { ServerName } from './server.ts';

/** What is to be looked at: an agent's configuration. */
export interface DiagnoseOptions {
  readonly identity: IdentitySource;
  /** The device's DPS, or a hub that is known already. */
  readonly connectTo: ProvisioningService | { readonly hostName: string; readonly deviceId: string };
  /** JSON value for a custom allocation webhook: goes along where the device isn't registered yet. */
  readonly provisioningPayload?: Record<string, unknown>;
  readonly stateFolder: string;
  /** Default `auto`. */
  readonly transport?: TransportChoice;
  /** Default: straight there. */
  readonly proxy?: ProxySettings;
  /** PEM roots trusted beside Node's own. */
  readonly trustedRootsPem?: string;
  /**
   * `http://` URL that answers 204 where no captive portal stands in between; default
   * `http://connectivitycheck.gstatic.com/generate_204`, which many networks know for this purpose.
   */
  readonly probeUrl?: string;
  /** Milliseconds for each look at the network; default 10,000. */
  readonly timeoutMs?: number;
  /** Ends the diagnosis, which then rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Called with each check as it is done. */
  readonly onCheck?: (check: DiagnosisCheck) => void;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** What earlier checks found out for later ones. */
export interface Findings {
  /** The one in the configuration; from check `credential` on the one in use. */
  identity?: DeviceIdentity;
  /** It came by renewal, and lies in the state folder. */
  isRenewed?: boolean;
  /** Why it couldn't be loaded: the first obstacle. */
  identityError?: unknown;
  /** As they stand in the source, or in the state folder. */
  certificates?: readonly X509Certificate[];
  secureContext?: SecureContext;
  /** What the probe URL answered. */
  probe?: HttpProbe;
  /** Transports whose port is open. */
  readonly open: Readonly<Record<ServerName, Set<Transport>>>;
  /** How the handshake went: bytes received, or why not. */
  readonly handshakes: Partial<Record<ServerName, number | ConnectionError>>;
  /** The other side's clock: what it said, and this device's time at that moment. */
  otherClock?: { readonly said: Date; readonly at: Date; readonly who: string };
  /** Validity of a server's certificate, ISO 8601: with a clock outside of it, clock or certificate is wrong. */
  serverValidity?: { readonly notBefore: string; readonly notAfter: string; readonly who: string };
  isAgentRunning?: boolean;
  keptAssignment?: KeptPlace;
  /** Where the device's hub is, as far as is known. */
  hub?: { readonly hostName: string; readonly deviceId: string };
}

/** A diagnosis under way. */
export interface Examination {
  readonly options: DiagnoseOptions;
  readonly machine: Machine;
  readonly clock: Clock;
  readonly findings: Findings;
}

export type Check = CheckSpec<Examination>;

/** A finding that a check needs: its absence is a mistake in the order of the checks. */
export function found<T>(finding: T | undefined, name: string): T {
  if (finding === undefined) throw new Error(`The check runs before ${name} is known.`);
  return finding;
}
