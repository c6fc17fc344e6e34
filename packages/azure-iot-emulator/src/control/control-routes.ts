import type { FastifyInstance } from 'fastify';
import type { VirtualClock } from '../clock/virtual-clock.ts';
import type { Seed } from '../data/seed.ts';
import { EmulatorError } from '../errors.ts';
import type { Fault } from '../faults/fault.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { findFieldProblem, flag, number } from '../json-field.ts';
import type { ControlOptions } from './control.ts';

interface NameRoute {
  Params: { name: string };
}

/** Adds every route of the emulator's own interface. */
export function registerControlRoutes(app: FastifyInstance, options: ControlOptions): void {
  const { ground, snapshots } = options;
  app.get('/emulator/ready', () => ({ ready: true }));
  app.get('/emulator/health', () => health(options));
  app.get('/emulator/snapshots', async () => ({ names: await snapshots.list() }));
  app.put<NameRoute>('/emulator/snapshots/:name', async ({ params }) => ({ path: await snapshots.save(params.name) }));
  app.post<NameRoute>('/emulator/snapshots/:name/load', async ({ params }, reply) => {
    await snapshots.load(params.name);
    return reply.code(204).send();
  });
  app.get<NameRoute & { Querystring: { after?: string } }>(
    '/emulator/snapshots/:name/diff',
    async ({ params, query }) => ({
      differences: await snapshots.diff(params.name, query.after),
    }),
  );
  app.post('/emulator/reset', async (_request, reply) => {
    await options.reset();
    return reply.code(204).send();
  });
  app.post('/emulator/seed', ({ body }) => options.seed(body as Seed));
  app.get('/emulator/clock', () => clockJson(ground.clock));
  app.post('/emulator/clock', ({ body }) => moveClock(ground.clock, body));
  registerFaultRoutes(app, options);
}

function registerFaultRoutes(app: FastifyInstance, { ground: { faults } }: ControlOptions): void {
  app.get('/emulator/faults', () => ({ faults: faults.list() }));
  app.post('/emulator/faults', ({ body }, reply) => {
    faults.add(body as Fault);
    return reply.code(201).send(faults.list().at(-1) ?? {});
  });
  app.delete('/emulator/faults', (_request, reply) => {
    faults.clear();
    return reply.code(204).send();
  });
  app.delete<NameRoute>('/emulator/faults/:name', ({ params }, reply) => {
    if (faults.remove(Number(params.name))) return reply.code(204).send();
    throw new EmulatorError(
      'ERR_EMULATOR_FAULT',
      `There is no fault ${params.name}; 'fault list' shows what there is.`,
    );
  });
}

function health({ ground, management }: ControlOptions): JsonObject {
  const { iotHubs, provisioningServices } = management();
  const hubs = iotHubs.list();
  const connected = hubs.flatMap(({ hub }) => hub.registry.all().filter(({ session }) => session !== undefined));
  return {
    status: 'ok',
    now: new Date(ground.clock.nowMs).toISOString(),
    hubs: hubs.length,
    provisioningServices: provisioningServices.list().length,
    connectedDevices: connected.length,
    faults: ground.faults.list().length,
    memoryBytes: process.memoryUsage.rss(),
  };
}

function clockJson(clock: VirtualClock): JsonObject {
  return {
    now: new Date(clock.nowMs).toISOString(),
    isFrozen: clock.isFrozen,
    offsetMs: Math.round(clock.nowMs - Date.now()),
  };
}

/** Freezing comes before moving, resuming after it. */
function moveClock(clock: VirtualClock, body: unknown): JsonObject {
  const json = isJsonObject(body) ? body : {};
  const isTime = (value: unknown) => (Number.isNaN(Date.parse(String(value))) ? 'an ISO 8601 time' : undefined);
  const problem = findFieldProblem(json, {
    advanceMs: number(0, Number.MAX_SAFE_INTEGER),
    set: isTime,
    isFrozen: flag,
    reset: flag,
  });
  if (problem) throw new RangeError(`Clock: ${problem.field}: expected ${problem.expected}, found ${problem.found}.`);
  if (json['reset'] === true) clock.reset();
  if (json['isFrozen'] === true) clock.freeze();
  if (typeof json['set'] === 'string') clock.set(new Date(json['set']));
  if (typeof json['advanceMs'] === 'number') clock.advance(json['advanceMs']);
  if (json['isFrozen'] === false) clock.resume();
  return clockJson(clock);
}
