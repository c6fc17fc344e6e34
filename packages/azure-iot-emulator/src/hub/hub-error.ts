import { formatTime, formatTrackingTime } from './dotnet-time.ts';
import type { JsonObject } from './json.ts';

/** How sure we are that Azure answers like this. */
export type ErrorMark = 'documented' | 'seen' | 'assumed';

interface HubErrorEntry {
  readonly status: number;
  /** Six digits; clients read it from the JSON form. */
  readonly code: number;
  /** Used where the place that fails has nothing more exact to say. */
  readonly text: string;
  readonly mark: ErrorMark;
  readonly source: string;
}

/** "Troubleshoot error codes" of Azure's documents together with the error enumeration of Microsoft's C# SDK. */
const errorList = 'Azure IoT Hub error codes';
const notAzure = 'the emulator itself';

/** Every error that the hub's service plane answers with, by the name that goes into `iothub-errorcode`. */
export const hubErrors = {
  ArgumentInvalid: { status: 400, code: 400004, text: 'BadRequest', mark: 'documented', source: errorList },
  ArgumentNull: { status: 400, code: 400005, text: 'BadRequest', mark: 'seen', source: 'iot-edge-opc-proxy issue 26' },
  IotHubFormatError: { status: 400, code: 400006, text: 'BadRequest', mark: 'documented', source: errorList },
  DeviceDefinedMultipleTimes: { status: 400, code: 400011, text: 'BadRequest', mark: 'documented', source: errorList },
  BulkRegistryOperationFailure: {
    status: 400,
    code: 400013,
    text: 'BadRequest',
    mark: 'documented',
    source: errorList,
  },
  ConnectionForcefullyClosedOnNewConnection: {
    status: 400,
    code: 400027,
    text: 'The connection was closed by a newer one of the same device.',
    mark: 'documented',
    source: errorList,
  },
  IotHubNotFound: { status: 401, code: 401001, text: 'IoT hub not found', mark: 'documented', source: errorList },
  IotHubUnauthorizedAccess: { status: 401, code: 401002, text: 'Unauthorized', mark: 'seen', source: 'Java SDK tests' },
  IotHubUnauthorized: { status: 401, code: 401003, text: 'Unauthorized', mark: 'documented', source: errorList },
  DeviceMaximumQueueDepthExceeded: {
    status: 403,
    code: 403004,
    text: 'Device Queue depth cannot exceed 50 messages',
    mark: 'documented',
    source: errorList,
  },
  IotHubQuotaExceeded: {
    status: 403,
    code: 403002,
    text: 'The daily message quota is used up',
    mark: 'documented',
    source: errorList,
  },
  OperationNotAvailableInCurrentTier: {
    status: 403,
    code: 403010,
    text: 'The operation is not available in the current tier',
    mark: 'documented',
    source: `${errorList}; "Choose the right IoT Hub tier"`,
  },
  DeviceMaximumInflightMethodExceeded: {
    status: 403,
    code: 403800,
    text: 'Too many direct methods are under way',
    mark: 'documented',
    source: 'error enumeration of the C# SDK',
  },
  DeviceNotFound: {
    status: 404,
    code: 404001,
    text: 'NotFound',
    mark: 'seen',
    source: 'azure-iot-sdk-csharp issue 317',
  },
  ModuleNotFound: {
    status: 404,
    code: 404010,
    text: 'NotFound',
    mark: 'seen',
    source: 'end-to-end tests of the C# and Java SDKs',
  },
  DeviceNotOnline: {
    status: 404,
    code: 404103,
    text: 'Timed out waiting for device to connect.',
    mark: 'seen',
    source: 'iotedge issue 98',
  },
  DeviceAlreadyExists: {
    status: 409,
    code: 409001,
    text: 'Conflict',
    mark: 'seen',
    source: 'azure-iot-sdks issue 711',
  },
  ModuleAlreadyExistsOnDevice: {
    status: 409,
    code: 409301,
    text: 'Conflict',
    mark: 'seen',
    source: 'error enumeration of the C# SDK',
  },
  PreconditionFailed: {
    status: 412,
    code: 412001,
    text: 'Precondition failed: Invalid ETag',
    mark: 'seen',
    source: 'azure-iot-sdk-java issue 292',
  },
  DeviceMessageLockLost: {
    status: 412,
    code: 412002,
    text: 'The lock of the message has ended',
    mark: 'documented',
    source: errorList,
  },
  MessageTooLarge: { status: 413, code: 413001, text: 'Message too large', mark: 'documented', source: errorList },
  TooManyModulesOnDevice: {
    status: 413,
    code: 413003,
    text: 'A device may have 50 modules',
    mark: 'documented',
    source: errorList,
  },
  ThrottlingException: { status: 429, code: 429001, text: 'Throttled', mark: 'documented', source: errorList },
  ThrottleBacklogLimitExceeded: {
    status: 429,
    code: 429002,
    text: 'Too many requests wait already',
    mark: 'documented',
    source: errorList,
  },
  ServerError: { status: 500, code: 500001, text: 'InternalServerError', mark: 'documented', source: errorList },
  GatewayTimeout: {
    status: 504,
    code: 504101,
    text: 'Timed out waiting for the response from device.',
    mark: 'seen',
    source: 'azure-iot-sdk-java issue 640',
  },
  InvalidDeviceResponse: {
    status: 502,
    code: 502000,
    text: 'The device answered the method with something that is not JSON.',
    mark: 'assumed',
    source: "Microsoft's Node SDK knows a BadDeviceResponseError for 502",
  },
  NotImplemented: {
    status: 501,
    code: 501000,
    text: 'The emulator does not support this operation.',
    mark: 'assumed',
    source: notAzure,
  },
} as const satisfies Record<string, HubErrorEntry>;

/** Value of the header `iothub-errorcode`. */
export type HubErrorName = keyof typeof hubErrors;

/** What an {@link HubError} says beyond its name. */
export interface HubErrorDetails {
  /** Instead of the catalogue's text; must not contain a semicolon, at which Microsoft's Node SDK cuts it. */
  readonly text?: string;
  /** Goes into the JSON form. */
  readonly info?: Readonly<Record<string, string>>;
  /** Instead of the catalogue's status, where that is a choice. */
  readonly status?: number;
  /** Goes into the header `Retry-After`, in whole seconds. */
  readonly retryAfterSeconds?: number;
}

/** An answer of the hub's service plane that is not a success; `errorName` says which. */
export class HubError extends Error {
  readonly errorName: HubErrorName;
  readonly status: number;
  readonly code: number;
  readonly info: Readonly<Record<string, string>>;
  readonly retryAfterSeconds: number | undefined;

  constructor(errorName: HubErrorName, details: HubErrorDetails = {}) {
    super(details.text ?? hubErrors[errorName].text);
    this.name = 'HubError';
    this.errorName = errorName;
    this.status = details.status ?? hubErrors[errorName].status;
    this.code = hubErrors[errorName].code;
    this.info = details.info ?? {};
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** What an error body needs besides the error. */
export interface ErrorContext {
  readonly nowMs: number;
  /** 32 hexadecimal digits. */
  readonly trackingId: string;
}

/** Body of the registry's, the twins' and the queries' errors (seen in azure-iot-sdks issue 711). */
export function classicErrorBody(error: HubError, { nowMs, trackingId }: ErrorContext): JsonObject {
  return {
    Message: `ErrorCode:${error.errorName};${error.message}`,
    ExceptionMessage: `Tracking ID:${trackingId}-G:0-TimeStamp:${formatTrackingTime(nowMs)}`,
  };
}

/** What a device gets on a twin request that fails, and what the errors of direct methods carry as a string. */
export function structuredError(error: HubError, { nowMs, trackingId }: ErrorContext): JsonObject {
  return {
    errorCode: error.code,
    trackingId: `${trackingId}-G:0-TimeStamp:${formatTrackingTime(nowMs)}`,
    message: error.message,
    info: error.info,
    timestampUtc: formatTime(nowMs),
  };
}

/** Body of the direct methods' errors: the structured error as text (seen in iotedge issue 98). */
export function methodErrorBody(error: HubError, context: ErrorContext): JsonObject {
  return { Message: JSON.stringify(structuredError(error, context)), ExceptionMessage: '' };
}
