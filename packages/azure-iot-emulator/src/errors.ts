/**
 * What can go wrong with the emulator itself, as opposed to what the emulated services answer to their clients.
 *
 * - `ERR_EMULATOR_PORT_TAKEN`: another process listens on the port asked for
 * - `ERR_EMULATOR_PORT_REFUSED`: the system doesn't let this process listen there (privileged port, unknown address)
 * - `ERR_EMULATOR_FOLDER`: the cloud file can't be written to the folder asked for
 * - `ERR_EMULATOR_HUB_MISSING`: no hub of that name exists
 * - `ERR_EMULATOR_DPS_MISSING`: no Device Provisioning Service of that name exists
 */
export type EmulatorErrorCode =
  | 'ERR_EMULATOR_PORT_TAKEN'
  | 'ERR_EMULATOR_PORT_REFUSED'
  | 'ERR_EMULATOR_FOLDER'
  | 'ERR_EMULATOR_HUB_MISSING'
  | 'ERR_EMULATOR_DPS_MISSING';

/** Every failure that the emulator reports to whoever starts it; branch on `code`. */
export class EmulatorError extends Error {
  readonly code: EmulatorErrorCode;

  constructor(code: EmulatorErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'EmulatorError';
    this.code = code;
  }
}
