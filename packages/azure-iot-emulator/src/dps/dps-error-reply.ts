import type { FastifyReply } from 'fastify';
import { DpsError } from './dps-error.ts';
import { ThrottledError } from './rate-limit.ts';

/**
 * What is answered for an error of a route: DPS's own as it is, Fastify's refusal of a body as an invalid argument.
 * Anything else is the emulator's fault, is thrown again and so answered with 500.
 */
export function toDpsError(error: unknown): DpsError {
  if (error instanceof DpsError) return error;
  if (error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500) {
    return new DpsError('invalidArgument', error.message);
  }
  throw error;
}

/** `nowMs` in Unix milliseconds. */
export function sendDpsError(reply: FastifyReply, error: DpsError, nowMs: number): FastifyReply {
  if (error instanceof ThrottledError) reply.header('Retry-After', String(error.retryAfterSeconds));
  return reply.code(error.status).header('x-ms-error-code', String(error.code)).send(error.body(nowMs));
}
