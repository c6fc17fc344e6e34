import { lookup } from 'node:dns';
import { Agent } from 'node:https';
import type { LookupFunction } from 'node:net';
import { rootCertificates } from 'node:tls';
import type { PipelinePolicy } from '@azure/core-rest-pipeline';

/** How the requests of one session reach their servers. */
export interface Connection {
  readonly policies: readonly PipelinePolicy[];
  /** Ends connections that are kept open for the next request. */
  close(): void;
}

export interface ConnectionOptions {
  readonly trustedRootsPem: string | undefined;
  readonly requestTimeoutMs: number;
}

/**
 * Policies for every pipeline of a session. Private roots and loopback names get an agent of our own; all else keeps the pipeline's
 * own agents, so that proxies and NODE_EXTRA_CA_CERTS work as they do in Microsoft's clients.
 */
export function openConnection({ trustedRootsPem, requestTimeoutMs }: ConnectionOptions): Connection {
  const agent = new Agent({
    keepAlive: true,
    lookup: lookupWithLoopback,
    ...(trustedRootsPem === undefined ? {} : { ca: [...rootCertificates, trustedRootsPem] }),
  });
  const agentPolicy: PipelinePolicy = {
    name: 'contosoAgentPolicy',
    sendRequest(request, next) {
      const { protocol, hostname } = new URL(request.url);
      if (protocol === 'https:' && (trustedRootsPem !== undefined || isLoopbackName(hostname))) request.agent = agent;
      return next(request);
    },
  };
  return { policies: [agentPolicy, timeoutPolicy(requestTimeoutMs)], close: () => agent.destroy() };
}

/** The pipeline's own `timeout` leaves its timer running when a connection fails, and with it the process. */
function timeoutPolicy(requestTimeoutMs: number): PipelinePolicy {
  return {
    name: 'contosoTimeoutPolicy',
    async sendRequest(request, next) {
      const given = request.abortSignal;
      const timeout = AbortSignal.timeout(requestTimeoutMs);
      request.abortSignal = given === undefined ? timeout : AbortSignal.any([given as AbortSignal, timeout]);
      try {
        return await next(request);
      } finally {
        if (given === undefined) delete request.abortSignal;
        else request.abortSignal = given;
      }
    },
  };
}

/** RFC 6761 section 6.3: `localhost` and every name below it mean the loopback address; Node asks DNS for the latter. */
export function isLoopbackName(hostname: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(hostname);
}

const lookupWithLoopback: LookupFunction = (hostname, options, callback) => {
  lookup(isLoopbackName(hostname) ? 'localhost' : hostname, options, callback);
};
