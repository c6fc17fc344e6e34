/** What one listener lets its clients take, whoever they are. */
export interface ConnectionLimits {
  /** Open at a time; one more is closed at once. */
  readonly mostConnections: number;
  /** From the TCP connection to the end of the TLS handshake, in milliseconds. */
  readonly handshakeMs: number;
  /** From an HTTP request's first byte to the end of its headers, in milliseconds. */
  readonly headersMs: number;
  /** From an HTTP request's first byte to its last, in milliseconds. */
  readonly requestMs: number;
  /** An HTTP connection without a request, in milliseconds. */
  readonly idleMs: number;
}

/** Limits of a listener that isn't told otherwise: room for a fleet of ten thousand, and some who misbehave. */
export const defaultConnectionLimits: ConnectionLimits = {
  mostConnections: 16_384,
  handshakeMs: 30_000,
  headersMs: 30_000,
  requestMs: 120_000,
  idleMs: 60_000,
};
