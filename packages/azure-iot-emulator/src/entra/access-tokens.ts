/** Checks what a service plane was handed as `Authorization: Bearer`. */
export interface AccessTokens {
  /** True for a token of ours that is in its time and made for one of the audiences (with or without a trailing slash). */
  isValid(bearerToken: string, audiences: readonly string[]): Promise<boolean>;
}
