import type { AssumptionNote } from '../hub/hub-assumptions.ts';

/**
 * What DPS does where Microsoft's documents are silent or contradict each other: each a choice of the emulator that can
 * be made otherwise. {@link dpsAssumptionNotes} says what is known about each.
 */
export interface DpsAssumptions {
  /** A device whose enrollment is disabled: 401002, or an operation that ends with status `disabled`. Default `refuse`. */
  readonly disabledEnrollment: 'refuse' | 'status';
  /** Where a device learns that its certificate or key isn't good: in the answer, or by the poll. Default `answer`. */
  readonly refusal: 'answer' | 'operation';
  /** A device that no enrollment knows: 401002, or 404201. Default `unauthorized`. */
  readonly unknownDevice: 'unauthorized' | 'notFound';
  /** Upper-case letters in a device's registration ID; before 2018-11-01 they were 400004. Default `accept`. */
  readonly upperCaseRegistrationId: 'accept' | 'refuse';
  /** A device that registers again while its enrollment still allows its hub. Default `stay`. */
  readonly allowedHub: 'stay' | 'reallocate';
  /** How a hub knows a device of an X.509 group: by its certificate's thumbprint, or by its CA. Default `thumbprint`. */
  readonly groupDeviceIdentity: 'thumbprint' | 'certificateAuthority';
  /** A verified CA certificate that has expired. Default `refuse`. */
  readonly expiredAuthority: 'refuse' | 'accept';
  /** RFC 5280's path length of the presented CA certificates. Default `enforce`. */
  readonly pathLength: 'enforce' | 'ignore';
  /** Whether a status look-up counts as a registration where these are limited. Default `free`. */
  readonly statusLookUp: 'free' | 'counted';
  /** The service plane's api-version 2019-03-31, which instances of today are said to refuse. Default `serve`. */
  readonly serviceVersion2019: 'serve' | 'refuse';
  /** Seconds that an allocation webhook may take to answer. Default 30. */
  readonly webhookTimeoutSeconds: number;
}

/** What each is unless {@link DpsAssumptions} says otherwise. */
export const defaultDpsAssumptions: DpsAssumptions = {
  disabledEnrollment: 'refuse',
  refusal: 'answer',
  unknownDevice: 'unauthorized',
  upperCaseRegistrationId: 'accept',
  allowedHub: 'stay',
  groupDeviceIdentity: 'thumbprint',
  expiredAuthority: 'refuse',
  pathLength: 'enforce',
  statusLookUp: 'free',
  serviceVersion2019: 'serve',
  webhookTimeoutSeconds: 30,
};

/** What each default rests on. */
export const dpsAssumptionNotes: Readonly<Record<keyof DpsAssumptions, AssumptionNote>> = {
  disabledEnrollment: {
    mark: 'assumed',
    source:
      '"Use custom allocation policies" says status disabled; "X.509 attestation" says that the device is refused',
  },
  refusal: {
    mark: 'seen',
    source: 'azure-sdk-for-c, az_iot_provisioning_client.c; azure-iot-sdk-c issue 273 saw the other',
  },
  unknownDevice: {
    mark: 'seen',
    source: "401002 in azure-iot-sdk-java issue 203; 404201 for TPM in the C# SDK's tests",
  },
  upperCaseRegistrationId: { mark: 'seen', source: 'iotedge pull request 4575; azure-iot-sdk-c issue 405 before it' },
  allowedHub: { mark: 'assumed', source: '"Use allocation policies": a change affects later registrations only' },
  groupDeviceIdentity: { mark: 'seen', source: 'iotedge issue 2951; "Roll X.509 certificates" can be read either way' },
  expiredAuthority: { mark: 'assumed', source: 'RFC 5280 section 6.1.3; expired CAs are accepted at upload' },
  pathLength: { mark: 'assumed', source: 'RFC 5280 section 4.2.1.9; no document of DPS names it' },
  statusLookUp: {
    mark: 'assumed',
    source: '"About DPS": not billed; "Device reprovisioning": counts against the limit',
  },
  serviceVersion2019: { mark: 'seen', source: 'azure-iot-sdk-csharp issue 3479' },
  webhookTimeoutSeconds: { mark: 'assumed', source: 'no document gives a time' },
};
