/** Whom a fault meets; what isn't named is met whatever it is. */
export interface FaultScope {
  /** Name of a hub, any case. */
  readonly hub?: string;
  /** Name of a Device Provisioning Service, any case. */
  readonly dps?: string;
  /** Device ID at a hub, registration ID at DPS. */
  readonly deviceId?: string;
  /** Part of the matching requests, packets and connections that it meets: above 0 to 1; default 1. */
  readonly share?: number;
  /** Which ones, where `share` is less than 1: the same seed meets the same. Default 1. */
  readonly seed?: number;
  /** It is over after it has met so many. Default: until it is removed. */
  readonly times?: number;
}

/** What goes wrong. */
export type FaultEffect =
  /** Connections end without a word; HTTP requests get no answer but the connection's end. */
  | { readonly kind: 'drop' }
  /** The server hangs: it neither reads nor writes until the fault is removed, then goes on where it was. */
  | { readonly kind: 'freeze' }
  /** The service's side of a connection is gone and the client isn't told. */
  | { readonly kind: 'halfOpen' }
  /** The network swallows everything in both directions, new connections included. */
  | { readonly kind: 'blackHole' }
  /** Everything is taken up this much later; by the emulator's clock. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** 429 with Retry-After (default 5 seconds): HTTP planes, DPS over MQTT, twin requests of devices. */
  | { readonly kind: 'throttle'; readonly retryAfterSeconds?: number }
  /** A status from 500 to 599 (default 500), with Retry-After where it is given: as `throttle`. */
  | { readonly kind: 'serverError'; readonly status?: number; readonly retryAfterSeconds?: number }
  /** Hubs, or DPS, take no connections and no requests; what is connected is dropped. */
  | { readonly kind: 'hubDown' }
  | { readonly kind: 'dpsDown' }
  /** A hub moves to its paired region: down for `durationMs` (default: until removed), then there again under its name. */
  | { readonly kind: 'failover'; readonly durationMs?: number }
  /** The TLS listener shows a certificate that clients must refuse; open connections stay. */
  | { readonly kind: 'certificate'; readonly problem: CertificateProblem; readonly host?: string }
  /** The device is disabled, its connection with it; enabled again when the fault is removed. Needs `deviceId`. */
  | { readonly kind: 'deviceDisabled' }
  /** The emulator's clock is wrong by so much. */
  | { readonly kind: 'clockSkew'; readonly skewMs: number }
  /** A hub's messages of the day are used up: telemetry and sends to devices are refused. */
  | { readonly kind: 'quotaExceeded' }
  /** A message is lost: see {@link MessageLoss}. */
  | { readonly kind: 'messageLost'; readonly message: 'telemetry' | 'cloudToDevice'; readonly loss: MessageLoss };

/** What is wrong with a server certificate. */
export type CertificateProblem = 'expired' | 'wrongName' | 'otherRoot';

/**
 * When a message is lost. `beforeAcknowledgement`: it doesn't arrive, and its sender learns that by the connection's end
 * (telemetry) or the missing feedback (cloud to device). `afterAcknowledgement`: it is acknowledged and yet doesn't
 * arrive. `acknowledgement`: it arrives, its acknowledgement doesn't, and it is sent again.
 */
export type MessageLoss = 'beforeAcknowledgement' | 'afterAcknowledgement' | 'acknowledgement';

/** One thing that goes wrong on request, as plain data. */
export type Fault = FaultScope & FaultEffect;

/** Name of a fault. */
export type FaultKind = Fault['kind'];
