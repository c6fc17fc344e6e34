/**
 * What a `DeviceAgentError` is about. Branch on the code, not on the text:
 *
 * - `ERR_AGENT_IDENTITY_FILE`: a certificate or key file is missing or can't be read
 * - `ERR_AGENT_PASSWORD`: the password doesn't open the PFX or the key
 * - `ERR_AGENT_IDENTITY_INVALID`: no certificate in it, no key in it, or the two don't belong together
 * - `ERR_AGENT_CERTIFICATE_EXPIRED`, `ERR_AGENT_CERTIFICATE_NOT_YET_VALID`: by this device's clock
 * - `ERR_AGENT_DPS_REFUSED`: DPS knows nothing that lets this device in
 * - `ERR_AGENT_DPS_DISABLED`: the device's enrollment is disabled
 * - `ERR_AGENT_DPS_FAILED`: DPS took the registration and then failed to assign it
 * - `ERR_AGENT_DPS_UNREACHABLE`, `ERR_AGENT_HUB_UNREACHABLE`: no connection, or none that lasts
 * - `ERR_AGENT_HUB_REFUSED`: the hub doesn't accept the device
 * - `ERR_AGENT_SERVER_UNTRUSTED`: the other side's certificate isn't trusted or isn't for that name
 * - `ERR_AGENT_RETRY_EXPIRED`: the retry policy has ended
 * - `ERR_AGENT_STATE`: the state folder can't be written, is damaged, or another agent holds it
 * - `ERR_AGENT_MESSAGE_TOO_LARGE`: a telemetry message above the hub's 256 KiB
 * - `ERR_AGENT_TWIN`: the hub refused reported properties
 * - `ERR_AGENT_CONFIG`: the configuration file of `contoso-device` can't be used
 * - `ERR_AGENT_APPLICATION`: the application that it names can't be loaded, or failed
 * - `ERR_AGENT_STOPPED`: the agent was stopped before the operation ended
 */
export type DeviceAgentErrorCode =
  | 'ERR_AGENT_IDENTITY_FILE'
  | 'ERR_AGENT_PASSWORD'
  | 'ERR_AGENT_IDENTITY_INVALID'
  | 'ERR_AGENT_CERTIFICATE_EXPIRED'
  | 'ERR_AGENT_CERTIFICATE_NOT_YET_VALID'
  | 'ERR_AGENT_DPS_REFUSED'
  | 'ERR_AGENT_DPS_DISABLED'
  | 'ERR_AGENT_DPS_FAILED'
  | 'ERR_AGENT_DPS_UNREACHABLE'
  | 'ERR_AGENT_HUB_UNREACHABLE'
  | 'ERR_AGENT_HUB_REFUSED'
  | 'ERR_AGENT_SERVER_UNTRUSTED'
  | 'ERR_AGENT_RETRY_EXPIRED'
  | 'ERR_AGENT_STATE'
  | 'ERR_AGENT_MESSAGE_TOO_LARGE'
  | 'ERR_AGENT_TWIN'
  | 'ERR_AGENT_CONFIG'
  | 'ERR_AGENT_APPLICATION'
  | 'ERR_AGENT_STOPPED';

/** What Azure said, where it said anything. */
export interface AzureAnswer {
  /** DPS's `errorCode`, such as 401002, or the MQTT CONNACK return code of a hub, 1 to 5. */
  readonly azureCode?: number;
  /** What support asks for. */
  readonly trackingId?: string;
}

/** Every failure of this package. The message says what failed, for which device, and what to do next. */
export class DeviceAgentError extends Error {
  override readonly name = 'DeviceAgentError';
  readonly code: DeviceAgentErrorCode;
  readonly azureCode: number | undefined;
  readonly trackingId: string | undefined;

  constructor(code: DeviceAgentErrorCode, message: string, options: { cause?: unknown } & AzureAnswer = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.azureCode = options.azureCode;
    this.trackingId = options.trackingId;
  }
}

/** The text of whatever was thrown, for use inside a message. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
