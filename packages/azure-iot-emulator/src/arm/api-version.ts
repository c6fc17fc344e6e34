import { GatewayError } from './arm-error.ts';

/** Registered in December 2024 as an error message of that time lists them, and later ones of the specification. */
const versions = {
  provisioningServices:
    '2017-08-21-preview 2017-11-15 2018-01-22 2020-01-01 2020-03-01 2021-10-15 2022-02-05 2022-12-12 ' +
    '2023-03-01-preview 2025-02-01-preview 2026-03-01-preview 2026-04-01 2026-06-01-preview 2026-08-01 2026-08-31 2026-11-02-preview',
  IotHubs:
    '2016-02-03 2017-01-19 2017-07-01 2018-01-22 2018-04-01 2019-03-22 2019-11-04 2020-03-01 2020-04-01 2020-06-15 ' +
    '2020-07-10-preview 2020-08-01 2020-08-31 2021-03-31 2021-07-01 2021-07-02 2022-04-30-preview 2023-06-30-preview 2023-06-30',
} as const;

/** Resource types of the Devices provider. */
export type DevicesType = keyof typeof versions;

/**
 * @param location - as the message names it
 * @throws {GatewayError} MissingApiVersionParameter, NoRegisteredProviderFound
 */
export function checkDevicesApiVersion(type: DevicesType, version: string | undefined, location = 'global'): string {
  const given = requireApiVersion(version);
  const supported = versions[type].split(' ');
  if (!supported.includes(given)) {
    throw new GatewayError(
      'NoRegisteredProviderFound',
      `No registered resource provider found for location '${location}' and API version '${given}' for type '${type}'. ` +
        `The supported api-versions are '${supported.join(', ')}'. The supported locations are ''.`,
    );
  }
  return given;
}

/**
 * Subscriptions and resource groups: any date will do, since their shape hasn't changed.
 *
 * @throws {GatewayError} MissingApiVersionParameter, InvalidApiVersionParameter
 */
export function checkResourcesApiVersion(version: string | undefined): string {
  const given = requireApiVersion(version);
  if (!/^20\d\d-\d\d-\d\d(-preview)?$/.test(given)) {
    throw new GatewayError(
      'InvalidApiVersionParameter',
      `The api-version '${given}' is invalid. The supported versions are dates, for example '2021-04-01'.`,
    );
  }
  return given;
}

function requireApiVersion(version: string | undefined): string {
  if (version) return version;
  throw new GatewayError(
    'MissingApiVersionParameter',
    'The api-version query parameter (?api-version=) is required for all requests.',
  );
}
