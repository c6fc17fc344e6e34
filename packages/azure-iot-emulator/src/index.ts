export { EmulatorError } from './errors.ts';
export { HubError } from './hub/hub-error.ts';
export { startAzureIot } from './start.ts';

export type { EmulatorCloud } from './cloud.ts';
export type { RegistrationRecord, RegistrationSubstatus } from './dps/registration-record.ts';
export type { ProvisioningServiceView } from './emulator-view.ts';
export type { ServicePrincipal } from './entra/service-principal.ts';
export type { EmulatorErrorCode } from './errors.ts';
export type { CloudToDeviceRequest, FeedbackRecord } from './hub/cloud-to-device.ts';
export type { MethodRequest, MethodResponse } from './hub/direct-method.ts';
export type { HubErrorName } from './hub/hub-error.ts';
export type { IotHub } from './hub/iot-hub.ts';
export type { JsonObject, JsonValue } from './hub/json.ts';
export type { TelemetryMessage } from './hub/telemetry.ts';
export type { AzureIotEmulator, StartAzureIotOptions } from './start.ts';
