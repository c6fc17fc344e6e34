/** Versions of the device API in which a registration is what the emulator makes of it. */
const DEVICE_VERSIONS = [
  '2017-08-31-preview',
  '2017-11-15',
  '2018-04-01',
  '2018-09-01-preview',
  '2018-11-01',
  '2019-01-15',
  '2019-03-31',
  '2019-04-15',
  '2021-06-01',
  '2021-10-01',
  '2025-07-01-preview',
] as const;

/** Versions of the service API. Earlier ones are refused by instances of today (azure-iot-sdk-csharp issue 3479). */
const SERVICE_VERSIONS = ['2019-03-31', '2021-06-01', '2021-10-01', '2025-07-01-preview'] as const;

/** From here on a device that the hub knew already is told so (C# SDK, ProvisioningRegistrationSubstatus). */
const TELLS_REPROVISIONED_SINCE = '2019-04-15';

/** Undefined where the device API has that version, else what to say. */
export function deviceVersionProblem(version: string | undefined): string | undefined {
  if (DEVICE_VERSIONS.some((known) => known === version)) return undefined;
  return `Unknown api version '${version ?? ''}'; the emulator knows ${DEVICE_VERSIONS.join(', ')}.`;
}

/** Undefined where the service API has that version, else the versions that it has. */
export function serviceVersionProblem(version: string | undefined, serves2019: boolean): string | undefined {
  const known = SERVICE_VERSIONS.filter((candidate) => serves2019 || candidate !== '2019-03-31');
  return known.some((candidate) => candidate === version) ? undefined : known.join(', ');
}

/** Whether that version of the device API has the substatus `reprovisionedToInitialAssignment`. */
export function tellsReprovisioned(version: string): boolean {
  return version >= TELLS_REPROVISIONED_SINCE;
}
