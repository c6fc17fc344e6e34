import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { deleteIndividualEnrollment, putIndividualEnrollment, updateEnrollmentGroup } from '@contoso/dps-admin';
import type { Fault } from '@contoso/azure-iot-emulator';
import { transitions, type Phase } from '../src/agent/phase.ts';
import { systemClock } from '../src/clock.ts';
import type { AgentEvent, Clock, DeviceIdentity } from '../src/index.ts';
import { dpsName, enrollmentGroupId, issueIdentity, watchedAgent, type Contoso, type Watched } from './contoso.ts';
import { merged, type Json } from './model-hub.ts';

const haste = 100;

/** DPS takes five polls of a device in ten seconds ("Azure DPS limits"), and the emulator's time is the machine's. */
const pollLimit = { count: 5, windowMs: 10_000 };

/** How long it may take until all is well, in the machine's milliseconds, where DPS doesn't make the device wait. */
const healsWithinMs = 5_000;

/** A hundred times as fast as the machine's: what waits for minutes is back in the blink of an eye, and nothing runs hot. */
function fastClock(): Clock {
  const startMs = Date.now();
  return {
    now: () => new Date(startMs + (Date.now() - startMs) * haste),
    delay: (milliseconds, signal) => systemClock.delay(milliseconds / haste, signal),
  };
}

/** One device's life, with all that was asked of it and all that came of it. */
export class AgentWorld {
  readonly contoso: Contoso;
  readonly deviceId: string;
  readonly #identity: DeviceIdentity;
  readonly #stateFolder: string;
  readonly #faults = new Map<string, () => void>();
  readonly #ended: AgentEvent[][] = [];
  #watched: Watched | undefined;
  #isGroupDisabled = false;
  /** An enrollment of its own, which DPS looks at before the group's. */
  #ownEnrollment: { readonly etag: string; readonly isDisabled: boolean } | undefined;
  #lastNumber = 0;
  readonly sent: number[] = [];
  /** Cloud-to-device messages, and those of them that went with a device that was deleted. */
  readonly commands: string[] = [];
  readonly #forgotten = new Set<string>();
  readonly applied: string[] = [];
  /** What the application has made of the desired properties. */
  setting: Json = {};
  reported: Json = {};
  readonly answers: unknown[] = [];
  /** What was done and what came of it, for whoever has to find out why a life failed. */
  readonly story: string[] = [];
  readonly #beganMs = Date.now();
  /** When DPS was asked: once each, and polled once each. */
  readonly #asked: number[] = [];

  private constructor(contoso: Contoso, identity: DeviceIdentity, stateFolder: string) {
    this.contoso = contoso;
    this.deviceId = identity.registrationId;
    this.#identity = identity;
    this.#stateFolder = stateFolder;
  }

  static async open(contoso: Contoso, deviceId: string): Promise<AgentWorld> {
    const stateFolder = await mkdtemp(join(contoso.folder, 'model-'));
    const world = new AgentWorld(contoso, await issueIdentity(contoso, deviceId), stateFolder);
    world.start();
    return world;
  }

  get isRunning(): boolean {
    return this.#watched !== undefined;
  }

  get #hub(): Contoso['hub'] {
    return this.contoso.hub;
  }

  start(): void {
    if (this.#watched) return;
    this.#watched = watchedAgent(this.contoso, this.#identity, {
      stateFolder: this.#stateFolder,
      clock: fastClock(),
      keepAliveSeconds: 20,
      retryPolicy: { nextDelayMs: () => 500 },
      onMessage: ({ body }) => void this.applied.push(body.toString()),
      methods: { echo: (payload) => ({ status: 200, payload }) },
      onDesired: ({ properties }) => {
        this.setting = merged(this.setting, properties);
        return undefined;
      },
      onEvent: (event) => this.#note(event),
    });
    this.#watched.agent.start().catch(() => undefined);
  }

  async stop(graceMs = 0): Promise<void> {
    if (!this.#watched) return;
    const { agent, events } = this.#watched;
    await agent.stop(graceMs);
    this.#watched = undefined;
    this.#ended.push(events);
  }

  /** What a step of the test does. */
  tell(what: string): void {
    this.story.push(`${Date.now() - this.#beganMs} ms: ${what}`);
  }

  begin(name: string, fault: Fault): void {
    this.#faults.get(name)?.();
    this.#faults.set(name, this.contoso.azure.faults.add(fault));
  }

  end(name: string): void {
    this.#faults.get(name)?.();
    this.#faults.delete(name);
  }

  async setGroup(provisioningStatus: 'enabled' | 'disabled'): Promise<void> {
    this.#isGroupDisabled = provisioningStatus === 'disabled';
    await updateEnrollmentGroup(this.contoso.session, { dpsName, enrollmentGroupId, provisioningStatus });
  }

  /** Gives the device an enrollment of its own, or changes it. The device's faults would meet the operator, too. */
  async enroll(provisioningStatus: 'enabled' | 'disabled'): Promise<void> {
    if (this.#faults.size > 0) return;
    const { etag } = await putIndividualEnrollment(this.contoso.session, {
      ...{ dpsName, registrationId: this.deviceId, certificatePem: this.#identity.chainPem, provisioningStatus },
      ...(this.#ownEnrollment && { etag: this.#ownEnrollment.etag }),
    });
    this.#ownEnrollment = { etag, isDisabled: provisioningStatus === 'disabled' };
  }

  /** The group's is the device's again. */
  async unenroll(): Promise<void> {
    if (this.#faults.size > 0) return;
    await deleteIndividualEnrollment(this.contoso.session, { dpsName, registrationId: this.deviceId });
    this.#ownEnrollment = undefined;
  }

  cut(): void {
    this.#hub.dropConnection(this.deviceId);
  }

  /** The device goes out of the registry, its queue and its twin with it. */
  remove(): void {
    for (const command of this.commands) this.#forgotten.add(command);
    this.#hub.remove(this.deviceId);
  }

  async send(): Promise<void> {
    const number = (this.#lastNumber += 1);
    await this.#watched?.agent.send({ body: { number } });
    this.sent.push(number);
  }

  report(patch: Json): void {
    this.#watched?.agent.report(patch);
    this.reported = merged(this.reported, patch);
  }

  reprovision(): void {
    this.#watched?.agent.reprovision();
  }

  command(): void {
    if (!this.#hub.hasDevice(this.deviceId)) return;
    const text = `command ${(this.#lastNumber += 1)}`;
    this.#hub.sendToDevice(this.deviceId, { body: Buffer.from(text) });
    this.commands.push(text);
  }

  desire(desired: Json): void {
    if (!this.#hub.hasDevice(this.deviceId)) return;
    this.#hub.updateTwin(this.deviceId, { properties: { desired } } as never, {
      mode: 'patch',
      precondition: undefined as never,
    });
  }

  order(): void {
    this.desire({ reprovision: { id: (this.#lastNumber += 1) } });
  }

  /** A caller whose device is away hears that, and nothing else is asked of the answer then. */
  async call(methodName: string): Promise<void> {
    const payload = { number: (this.#lastNumber += 1) };
    const request = { methodName, payload, responseTimeoutSeconds: 5, connectTimeoutSeconds: 0 };
    const calling = this.#hub.invokeMethod(this.deviceId, request).catch(() => undefined);
    // The emulator's time, and so the caller's patience, is the machine's.
    const answer = await Promise.race([calling, turns(50)]);
    if (answer) this.answers.push(methodName === 'echo' ? isSame(answer.payload, payload) : answer.status);
  }

  /** Everything that is wrong with the steps that were walked, and with what is shown of them. */
  problems(): string[] {
    const { events = [], agent } = this.#watched ?? {};
    const lives = [...this.#ended, events];
    const found = lives.flatMap((life) => {
      let phase: Phase = 'stopped';
      return life.flatMap((event) => {
        if (event.type !== 'transition') return [];
        const { from, to, cause } = event;
        const isRight = from === phase && transitions[from].includes(to) && cause !== '';
        phase = to;
        return isRight ? [] : [`${from} to ${to} (${cause})`];
      });
    });
    const last = events.findLast((event) => event.type === 'transition');
    const isUp = last?.to === 'connected';
    if (agent && isUp !== (agent.state.status === 'Connected')) found.push(`${agent.state.status} in ${last?.to}`);
    if (agent && last?.to === 'stopped') found.push(`ended: ${last.cause}`);
    return found;
  }

  /** Ends every fault and starts what is stopped; resolves with the steps that it took until all was done. */
  async heal(): Promise<number> {
    for (const name of [...this.#faults.keys()]) this.end(name);
    this.contoso.azure.faults.clear();
    if (this.#isGroupDisabled) await this.setGroup('enabled');
    if (this.#ownEnrollment?.isDisabled) await this.enroll('enabled');
    this.start();
    const events = this.#watched?.events ?? [];
    const steps = (): number => events.filter(({ type }) => type === 'transition').length;
    const before = steps();
    const beganMs = Date.now();
    const giveUpMs = (): number => beganMs + healsWithinMs + (this.#isHeldByDps(beganMs) ? pollLimit.windowMs : 0);
    while (this.left().length > 0 && Date.now() < giveUpMs()) await turns(20);
    return steps() - before;
  }

  /** Whether it has had to wait since then because it had asked DPS too often: orders to do so may come at any time. */
  #isHeldByDps(sinceMs: number): boolean {
    return this.#asked.some((atMs, index) => {
      const before = this.#asked[index - pollLimit.count] ?? -Infinity;
      return atMs > sinceMs - pollLimit.windowMs && atMs - before < pollLimit.windowMs;
    });
  }

  #note(event: AgentEvent): void {
    if (event.type === 'provisioning') this.#asked.push(Date.now());
    if (event.type === 'transition') this.tell(`${event.from} to ${event.to}: ${event.cause}`);
    else if (event.type === 'retry') this.tell(`next try after ${event.delayMs} ms of its time: ${event.why}`);
    else if ('error' in event) this.tell(`${event.type}: ${String(event.error)}`);
  }

  /** What isn't as it should be in the end. */
  left(): string[] {
    const state = this.#watched?.agent.state.status;
    const arrived = this.#hub.telemetry
      .list()
      .filter((message) => message.deviceId === this.deviceId)
      .map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { number: number }).number);
    const wanted = this.commands.filter((command) => !this.#forgotten.has(command));
    const { desired, reported } = this.#twin();
    return [
      ...(state === 'Connected' ? [] : [`it is ${state}`]),
      ...(isSame([...new Set(arrived)], this.sent) ? [] : [`arrived ${arrived.join()}, sent ${this.sent.join()}`]),
      ...wanted.filter((command) => !this.applied.includes(command)).map((command) => `${command} not applied`),
      ...(isSame(this.setting, desired) ? [] : [`set ${show(this.setting)}, desired ${show(desired)}`]),
      ...(isSame(this.reported, reported) ? [] : [`reported ${show(this.reported)}, at the hub ${show(reported)}`]),
    ];
  }

  /** Without what is the agent's own. */
  #twin(): { readonly desired: Json; readonly reported: Json } {
    const { properties } = (this.#hub.twinOf(this.deviceId) ?? { properties: { desired: {}, reported: {} } }) as {
      properties: { desired: Json; reported: Json };
    };
    const { $metadata: _, $version: __, reprovision: ___, ...desired } = properties.desired;
    const {
      $metadata: ____,
      $version: _____,
      certificate: ______,
      reprovision: _______,
      ...reported
    } = properties.reported;
    return { desired, reported };
  }
}

/** The same text for the same value, in whatever order it was made. */
const show = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => one.localeCompare(other)))
      : part,
  );

const isSame = (one: unknown, other: unknown): boolean => show(one) === show(other);

/** Lets what is ready be done, network included. */
export async function turns(count: number): Promise<undefined> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
