export { EmulatorError } from './errors.ts';
export { startAzureIot } from './start.ts';

export type { EmulatorCloud } from './cloud.ts';
export type { RegistrationRecord, RegistrationSubstatus } from './dps/registration-record.ts';
export type { ProvisioningServiceView } from './emulator-view.ts';
export type { ServicePrincipal } from './entra/service-principal.ts';
export type { EmulatorErrorCode } from './errors.ts';
export type { IotHub } from './hub/iot-hub.ts';
export type { AzureIotEmulator, StartAzureIotOptions } from './start.ts';
