/** The one application of the emulator's one tenant. */
export interface ServicePrincipal {
  /** GUID in lower case. */
  readonly tenantId: string;
  /** Application (client) ID, a GUID in lower case. */
  readonly clientId: string;
  readonly clientSecret: string;
}
