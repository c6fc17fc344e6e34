/** Values of Microsoft's device clients (C# `ConnectionStatus`, `ConnectionStatusChangeReason`, `RecommendedAction`). */
export type ConnectionStatus = 'Connected' | 'DisconnectedRetrying' | 'Disconnected' | 'Closed';

export type ConnectionStatusReason =
  'ConnectionOk' | 'CommunicationError' | 'BadCredential' | 'DeviceDisabled' | 'RetryExpired' | 'ClientClosed';

export type RecommendedAction = 'PerformNormally' | 'WaitForRetryPolicy' | 'OpenConnection' | 'Quit';

/** Where the connection stands, why, and what the application should do about it. */
export type ConnectionState =
  | { readonly status: 'Connected'; readonly reason: 'ConnectionOk'; readonly recommendedAction: 'PerformNormally' }
  | {
      readonly status: 'DisconnectedRetrying';
      readonly reason: 'CommunicationError';
      readonly recommendedAction: 'WaitForRetryPolicy';
    }
  | {
      readonly status: 'Disconnected';
      readonly reason: 'BadCredential' | 'DeviceDisabled';
      readonly recommendedAction: 'WaitForRetryPolicy' | 'Quit';
    }
  | {
      readonly status: 'Disconnected';
      readonly reason: 'RetryExpired' | 'CommunicationError';
      readonly recommendedAction: 'OpenConnection';
    }
  | { readonly status: 'Closed'; readonly reason: 'ClientClosed'; readonly recommendedAction: 'Quit' };

export const connected: ConnectionState = {
  status: 'Connected',
  reason: 'ConnectionOk',
  recommendedAction: 'PerformNormally',
};

/** The agent reconnects by itself: the application must not open a second connection meanwhile. */
export const retrying: ConnectionState = {
  status: 'DisconnectedRetrying',
  reason: 'CommunicationError',
  recommendedAction: 'WaitForRetryPolicy',
};

/** Another credential may help; the same one hardly will. The agent goes on trying, slowly. */
export const badCredential: ConnectionState = {
  status: 'Disconnected',
  reason: 'BadCredential',
  recommendedAction: 'WaitForRetryPolicy',
};

/** Only somebody with rights in Azure can mend this. The agent goes on trying, slowly. */
export const deviceDisabled: ConnectionState = {
  status: 'Disconnected',
  reason: 'DeviceDisabled',
  recommendedAction: 'WaitForRetryPolicy',
};

/** The same, where the agent doesn't go on. */
export function ended(state: ConnectionState): ConnectionState {
  if (state.reason === 'BadCredential' || state.reason === 'DeviceDisabled') {
    return { ...state, recommendedAction: 'Quit' };
  }
  return state.status === 'DisconnectedRetrying' ? disconnected : state;
}

/** The retry policy has ended; `start()` begins anew. */
export const retryExpired: ConnectionState = {
  status: 'Disconnected',
  reason: 'RetryExpired',
  recommendedAction: 'OpenConnection',
};

/** Not connected yet, or ended by an error that is no refusal; `start()` begins anew. */
export const disconnected: ConnectionState = {
  status: 'Disconnected',
  reason: 'CommunicationError',
  recommendedAction: 'OpenConnection',
};

export const closed: ConnectionState = { status: 'Closed', reason: 'ClientClosed', recommendedAction: 'Quit' };
