import { randomUUID } from 'node:crypto';

interface ProviderErrorKind {
  readonly status: number;
  readonly code: number;
  /** How sure we are that Azure answers with this number. */
  readonly mark: 'seen' | 'assumed';
  readonly source: string;
}

const recorded = "recorded traffic of Microsoft's clients";

/** Errors of the Devices provider; its numbers are the management plane's own. */
const providerErrors = {
  proofOfPossession: { status: 400, code: 400053, mark: 'seen', source: 'azure-iot-sdk-c issue 1347' },
  wrongSku: { status: 400, code: 400059, mark: 'seen', source: 'terraform-provider-azurerm issue 7242' },
  duplicateHubs: { status: 400, code: 400303, mark: 'seen', source: 'azure-cli issue 10628' },
  provisioningServiceName: { status: 400, code: 400305, mark: 'seen', source: recorded },
  argumentInvalid: { status: 400, code: 400004, mark: 'assumed', source: 'number of the data plane' },
  linkedHub: { status: 400, code: 400301, mark: 'assumed', source: 'no answer to a wrong connection string is known' },
  resourceNotFound: { status: 404, code: 404002, mark: 'seen', source: recorded },
  certificateNotFound: { status: 404, code: 404015, mark: 'seen', source: recorded },
  notActive: { status: 409, code: 409002, mark: 'seen', source: 'vscode issue 68251' },
  nameTaken: { status: 409, code: 409004, mark: 'seen', source: 'a public script of 2021 that quotes it' },
  preconditionFailed: { status: 412, code: 412001, mark: 'seen', source: 'provider-upjet-azure issue 299' },
} as const satisfies Record<string, ProviderErrorKind>;

/** Name of an error of the Devices provider. */
export type ProviderErrorName = keyof typeof providerErrors;

/** Every name, for tests that provoke each. */
export const providerErrorNames = Object.keys(providerErrors) as readonly ProviderErrorName[];

const httpStatusCodes: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  404: 'NotFound',
  409: 'Conflict',
  412: 'PreconditionFailed',
};

/** An error in the flat shape of the Devices provider. */
export class ProviderError extends Error {
  readonly status: number;
  readonly code: number;

  constructor(name: ProviderErrorName, message: string) {
    super(message);
    this.name = 'ProviderError';
    this.status = providerErrors[name].status;
    this.code = providerErrors[name].code;
  }

  /** `nowMs` in Unix milliseconds. */
  body(nowMs: number): Record<string, unknown> {
    const time = new Date(nowMs)
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, 'Z');
    return {
      code: this.code,
      httpStatusCode: httpStatusCodes[this.status],
      message:
        `${this.message} If you contact a support representative please include this correlation identifier: ` +
        `${randomUUID()}, timestamp: ${time}, errorcode: IH${this.code}.`,
    };
  }
}

/** Errors that Resource Manager's gateway answers with itself; the codes are the names. */
const gatewayErrors = {
  AuthenticationFailed: 401,
  InvalidAuthenticationToken: 401,
  MissingApiVersionParameter: 400,
  InvalidApiVersionParameter: 400,
  NoRegisteredProviderFound: 400,
  InvalidRequestContent: 400,
  LocationRequired: 400,
  SubscriptionNotFound: 404,
  ResourceGroupNotFound: 404,
  ResourceNotFound: 404,
  OperationNotFound: 404,
  InvalidResourceLocation: 409,
  InvalidResourceGroupLocation: 409,
  NotImplemented: 501,
} as const satisfies Record<string, number>;

/** Code of an error of Resource Manager's gateway. */
export type GatewayErrorCode = keyof typeof gatewayErrors;

/** Every code, for tests that provoke each. */
export const gatewayErrorCodes = Object.keys(gatewayErrors) as readonly GatewayErrorCode[];

/** An error in the envelope of Resource Manager's gateway. */
export class GatewayError extends Error {
  readonly status: number;
  readonly code: GatewayErrorCode;

  constructor(code: GatewayErrorCode, message: string) {
    super(message);
    this.name = 'GatewayError';
    this.code = code;
    this.status = gatewayErrors[code];
  }

  body(): Record<string, unknown> {
    return { error: { code: this.code, message: this.message } };
  }
}
