import type { EventEmitter } from 'node:events';

/** What can be waited for and be ended. */
export interface Endable extends EventEmitter {
  destroy(): unknown;
}

/**
 * Resolves with the event; rejects with the socket's error, with its closing, or with the signal's reason, and then the
 * socket is destroyed. Leaves no listener behind.
 */
export function socketEvent(socket: Endable, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      socket.off(event, onEvent).off('error', fail).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onEvent = (): void => settle(resolve);
    const fail = (reason: Error): void => {
      settle(() => {
        ignoreErrors(socket);
        socket.destroy();
        reject(reason);
      });
    };

    const onClose = (): void => fail(Object.assign(new Error('closed by the other side'), { code: 'ECONNRESET' }));
    const onAbort = (): void => fail(signal.reason as Error);
    if (signal.aborted) {
      onAbort();
      return;
    }
    socket.on(event, onEvent).on('error', fail).on('close', onClose);
    signal.addEventListener('abort', onAbort);
  });
}

/** For a socket whose errors are seen elsewhere, or by whoever takes it next. */
export function ignoreErrors(socket: EventEmitter): void {
  if (!socket.listeners('error').includes(ignore)) socket.on('error', ignore);
}

function ignore(): void {
  // Nothing to do: 'close' follows.
}
