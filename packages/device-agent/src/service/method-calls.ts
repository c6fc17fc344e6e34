import type { AgentEvent } from '../agent/agent-options.ts';
import type { MethodDefinition, MethodDefinitions, MethodHandler } from '../methods/methods.ts';

/** A direct method has been answered by its handler; 500 where that threw. */
export interface MethodCallEvent {
  readonly type: 'method-called';
  readonly method: string;
  readonly status: number;
  readonly durationMs: number;
}

/** What a service is told: of its agent, and of its application's methods. */
export type ServiceEvent = AgentEvent | MethodCallEvent;

/** The same methods, each call told. */
export function watchedMethods(methods: MethodDefinitions, onCall: (call: MethodCallEvent) => void): MethodDefinitions {
  const watch =
    (method: string, handle: MethodHandler): MethodHandler =>
    async (payload, context) => {
      const began = performance.now();
      let status = 500;
      try {
        const response = await handle(payload, context);
        ({ status } = response);
        return response;
      } finally {
        onCall({ type: 'method-called', method, status, durationMs: performance.now() - began });
      }
    };
  return Object.fromEntries(
    Object.entries(methods).map(([name, definition]): [string, MethodHandler | MethodDefinition] => [
      name,
      typeof definition === 'function'
        ? watch(name, definition)
        : { ...definition, handle: watch(name, (payload, context) => definition.handle(payload, context)) },
    ]),
  );
}
