import { DeviceAgentError, textOf } from '../errors.ts';

/** Whether the twin won't take something, now or later. */
export function isRefusal(error: unknown): error is DeviceAgentError {
  return error instanceof DeviceAgentError && error.code === 'ERR_AGENT_TWIN';
}

/** Whether this device's own disk is the trouble. */
export function isStateError(error: unknown): boolean {
  return error instanceof DeviceAgentError && error.code === 'ERR_AGENT_STATE';
}

/** Whether the hub has said that it didn't do what it was asked for (429); any other failure leaves that open. */
export function isThrottled(error: unknown): boolean {
  return error instanceof DeviceAgentError && error.code === 'ERR_AGENT_HUB_BUSY' && error.azureCode === 429;
}

/** Whatever was thrown, as an error of ours. */
export function twinError(cause: unknown): DeviceAgentError {
  if (cause instanceof DeviceAgentError) return cause;
  return new DeviceAgentError('ERR_AGENT_TWIN', `The twin can't be followed: ${textOf(cause)}.`, {
    cause,
    advice: 'It is fetched again by itself; if it lasts, look at what the twin holds, and report this.',
  });
}
