import { randomUUID } from 'node:crypto';
import { formatTime } from '../hub/dotnet-time.ts';

interface DpsErrorKind {
  /** HTTP status, or the status in an MQTT response topic. */
  readonly status: number;
  readonly code: number;
  /** How sure we are that Azure answers with this number. */
  readonly mark: 'documented' | 'seen' | 'assumed';
  readonly source: string;
}

const customAllocation = 'document "Use custom allocation policies"';
const enumOrder = "from the order of the names in Microsoft's error enumeration";

/** DPS's errors that the emulator gives. */
const kinds = {
  invalidArgument: { status: 400, code: 400004, mark: 'seen', source: 'azure-iot-sdk-c issue 405' },
  tooManyEnrollments: { status: 400, code: 400205, mark: 'assumed', source: enumOrder },
  repeatedId: { status: 400, code: 400206, mark: 'assumed', source: enumOrder },
  webhookFailed: { status: 400, code: 400207, mark: 'documented', source: customAllocation },
  webhookWithoutHub: { status: 400, code: 400208, mark: 'documented', source: customAllocation },
  webhookUnauthorized: { status: 400, code: 400209, mark: 'documented', source: customAllocation },
  hubNotFound: { status: 401, code: 401001, mark: 'seen', source: 'terraform-provider-azurerm issue 10224' },
  unauthorized: { status: 401, code: 401002, mark: 'seen', source: 'azure-iot-sdk-java issues 203 and 573' },
  enrollmentDisabled: {
    status: 401,
    code: 401002,
    mark: 'assumed',
    source: 'refused by "X.509 attestation"; no number',
  },
  enrollmentNotFound: { status: 404, code: 404201, mark: 'seen', source: 'end-to-end tests of the C# SDK' },
  registrationNotFound: { status: 404, code: 404202, mark: 'seen', source: 'azure-docs issue 57082' },
  operationNotFound: { status: 404, code: 404203, mark: 'assumed', source: enumOrder },
  groupNotFound: { status: 404, code: 404204, mark: 'seen', source: 'end-to-end tests of the C# SDK' },
  enrollmentExists: { status: 409, code: 409201, mark: 'assumed', source: enumOrder },
  groupExists: { status: 409, code: 409202, mark: 'assumed', source: enumOrder },
  preconditionFailed: { status: 412, code: 412201, mark: 'assumed', source: 'status and text are documented' },
  tooManyRequests: {
    status: 429,
    code: 429001,
    mark: 'seen',
    source: "an answer in the tests of Azure's FreeRTOS middleware",
  },
  unsupported: { status: 501, code: 501000, mark: 'assumed', source: 'the emulator itself' },
} as const satisfies Record<string, DpsErrorKind>;

/** Name of one of DPS's errors. */
export type DpsErrorName = keyof typeof kinds;

/** Every error name, for tests that provoke each. */
export const dpsErrorNames = Object.keys(kinds) as readonly DpsErrorName[];

/** An error that DPS answers with. `reason` says more than Azure tells its client; it goes to the emulator's log. */
export class DpsError extends Error {
  readonly kind: DpsErrorName;
  readonly status: number;
  readonly code: number;
  readonly reason: string | undefined;
  /** What the answer and the log line have in common. */
  readonly trackingId = randomUUID();

  constructor(kind: DpsErrorName, message: string, reason?: string) {
    super(message);
    this.name = 'DpsError';
    this.kind = kind;
    this.status = kinds[kind].status;
    this.code = kinds[kind].code;
    this.reason = reason;
  }

  /** The envelope of DPS's errors; `nowMs` in Unix milliseconds. */
  body(nowMs: number): DpsErrorBody {
    return {
      errorCode: this.code,
      trackingId: this.trackingId,
      message: this.message,
      timestampUtc: formatTime(nowMs),
    };
  }
}

/** DPS's error body. */
export interface DpsErrorBody {
  readonly errorCode: number;
  readonly trackingId: string;
  readonly message: string;
  readonly timestampUtc: string;
}
