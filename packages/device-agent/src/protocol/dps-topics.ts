import { readRetryAfterMs } from './retry-after.ts';

/** DPS's topics (Azure documents, "Communicate with DPS using the MQTT protocol"). */
export const registrationAnswers = '$dps/registrations/res/#';

export const register = (requestId: string): string => `$dps/registrations/PUT/iotdps-register/?$rid=${requestId}`;

export const operationStatus = (requestId: string, operationId: string): string =>
  `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=${requestId}&operationId=${operationId}`;

/** `$dps/registrations/res/{status}/?$rid={rid}[&retry-after={seconds}]`; undefined for any other topic. */
export function readAnswerTopic(
  topic: string,
): { readonly status: number; readonly requestId: string; readonly retryAfterMs: number | undefined } | undefined {
  const [, status, query = ''] = /^\$dps\/registrations\/res\/(\d+)\/\?(.*)$/.exec(topic) ?? [];
  if (status === undefined) return undefined;
  const parameters = new URLSearchParams(query);
  return {
    status: Number(status),
    requestId: parameters.get('$rid') ?? '',
    retryAfterMs: readRetryAfterMs(parameters),
  };
}
