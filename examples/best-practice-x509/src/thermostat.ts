import type {
  Acknowledgement,
  CloudToDeviceMessage,
  DesiredChange,
  MethodResponse,
  TelemetryMessage,
} from '@contoso/device-agent';

/** Above this, in degrees Celsius, a message carries the property `temperatureAlert` as `true`. */
const alertAbove = 30;

/** Contoso's product: it measures, and is told which temperature to aim at. */
export class Thermostat {
  readonly #random: () => number;
  #temperature: number;
  #target: number;

  /** @param random - 0 (inclusive) to 1 (exclusive) */
  constructor({
    temperature = 25,
    target = 21,
    random = Math.random,
  }: { temperature?: number; target?: number; random?: () => number } = {}) {
    this.#temperature = temperature;
    this.#target = target;
    this.#random = random;
  }

  get target(): number {
    return this.#target;
  }

  /** One measurement, as the reference sample sends it: JSON `{temperature, humidity}`. */
  measure(): TelemetryMessage & { readonly body: { readonly temperature: number; readonly humidity: number } } {
    this.#temperature += (this.#target - this.#temperature) / 10 + (this.#random() - 0.5);
    const temperature = round(this.#temperature);
    return {
      body: { temperature, humidity: round(60 + this.#random() * 20) },
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      properties: { temperatureAlert: String(temperature > alertAbove) },
    };
  }

  /** Answers a change of `targetTemperature`; says no to what is no number between 5 and 35. */
  handleDesired({ properties }: DesiredChange): Record<string, Acknowledgement> {
    const wanted = properties['targetTemperature'];
    if (wanted === undefined) return {};
    if (typeof wanted !== 'number' || wanted < 5 || wanted > 35) {
      return { targetTemperature: { value: this.#target, code: 400, description: 'not a number from 5 to 35' } };
    }
    this.#target = wanted;
    return { targetTemperature: { value: wanted, code: 200, description: 'target set' } };
  }

  /** Direct method `getReport`. */
  getReport(): MethodResponse {
    return { status: 200, payload: { temperature: round(this.#temperature), targetTemperature: this.#target } };
  }
}

/** A cloud-to-device message in one line. */
export function describeMessage({ messageId, properties, body }: CloudToDeviceMessage): string {
  return `message ${messageId ?? '(no ID)'}: ${body.toString('utf8')} ${JSON.stringify(properties)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
