/**
 * What can go wrong with the emulator itself, as opposed to what the emulated services answer to their clients.
 *
 * - `ERR_EMULATOR_PORT_TAKEN`: another process listens on the port asked for
 * - `ERR_EMULATOR_PORT_REFUSED`: the system doesn't let this process listen there (privileged port, unknown address)
 * - `ERR_EMULATOR_FOLDER`: the cloud file can't be written to the folder asked for
 * - `ERR_EMULATOR_CLOUD_FILE`: a file isn't the cloud file of a running emulator
 * - `ERR_EMULATOR_COMMAND`: a program that was to be run can't be, or failed
 * - `ERR_EMULATOR_HUB_MISSING`: no hub of that name exists
 * - `ERR_EMULATOR_DPS_MISSING`: no Device Provisioning Service of that name exists
 * - `ERR_EMULATOR_DATA`: the data folder can't be opened, or the disk refuses what has to be kept
 * - `ERR_EMULATOR_DATA_HELD`: another emulator works on the data folder
 * - `ERR_EMULATOR_SNAPSHOT`: a snapshot doesn't exist, is none, or can't be written
 * - `ERR_EMULATOR_SEED`: the seed says something that can't be; the message names the entry
 * - `ERR_EMULATOR_FAULT`: a fault says something that can't be; the message names the field
 * - `ERR_EMULATOR_REQUEST`: a running emulator can't be reached, or refuses what a command asks of it
 */
export type EmulatorErrorCode =
  | 'ERR_EMULATOR_DATA'
  | 'ERR_EMULATOR_DATA_HELD'
  | 'ERR_EMULATOR_SNAPSHOT'
  | 'ERR_EMULATOR_SEED'
  | 'ERR_EMULATOR_FAULT'
  | 'ERR_EMULATOR_REQUEST'
  | 'ERR_EMULATOR_PORT_TAKEN'
  | 'ERR_EMULATOR_PORT_REFUSED'
  | 'ERR_EMULATOR_FOLDER'
  | 'ERR_EMULATOR_CLOUD_FILE'
  | 'ERR_EMULATOR_COMMAND'
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
