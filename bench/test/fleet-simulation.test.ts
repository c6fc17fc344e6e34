import { describe, expect, it } from '@jest/globals';
import { EventQueue } from '../src/event-queue.ts';
import { plotScenario } from '../src/fleet-plot.ts';
import { fleetScenarios, playScenario, type FleetResult } from '../src/fleet-scenarios.ts';
import { seededRandom } from '../src/seeded-random.ts';

/** So many that it is their number that takes the time, and not the longest wait of one device. */
const size = 20_000;

const play = (name: string, seed = 1, devices = size): FleetResult => {
  const scenario = fleetScenarios.find((one) => one.name === name);
  if (!scenario) throw new Error(`no scenario ${name}`);
  return playScenario(scenario, devices, seed);
};

describe(`${size} devices that lose their connections together`, () => {
  it.each(['failover', 'replaced', 'outage', 'power'])('are back without a quota breached: %s', (name) => {
    const { hub, dps, back } = play(name);
    expect(back.at(-1)).toBe(size);
    expect({ hub: hub.throttled, dps: dps.throttled }).toEqual({ hub: 0, dps: 0 });
    expect(Math.max(hub.peak, dps.peak)).toBeLessThanOrEqual(1);
  });

  it.each(['outage', 'power'])('are back in 1.5 times the least time: %s', (name) => {
    const { allBackMs, leastMs } = play(name);
    expect(allBackMs / leastMs).toBeLessThan(1.5);
  });

  it('move to another hub within DPS’s window, after the 15 minutes in which the old one may come back', () => {
    const { allBackMs, leastMs } = play('failover');
    expect(allBackMs).toBeLessThan(15 * 60_000 + Math.max(15 * 60_000, leastMs * 1.5));
  });

  it('storm where they count for themselves alone: the simulation would show it', () => {
    const { hub } = play('untold', 1, 5_000);
    expect(hub.peak).toBeGreaterThan(1);
  });

  it('behave the same for the same seed, and otherwise for another', () => {
    expect(play('power', 7)).toEqual(play('power', 7));
    expect(play('power', 8).allBackMs).not.toBe(play('power', 7).allBackMs);
  });

  it('are drawn', () => {
    expect(plotScenario(play('power'))).toMatch(/^<svg [^]*Power comes back[^]*<polyline [^]*<\/svg>\n$/);
  });
});

describe('virtual time', () => {
  it('lets things happen in order, those added meanwhile too', () => {
    const events = new EventQueue();
    const random = seededRandom(1);
    const happened: number[] = [];
    for (let count = 0; count < 500; count += 1) {
      events.after(random() * 1_000, () => {
        happened.push(events.nowMs);
        if (count % 5 === 0) events.after(100, () => happened.push(events.nowMs));
      });
    }
    expect(events.runUntil(500)).toBe(true);
    expect(events.nowMs).toBe(500);
    expect(events.runUntil(2_000)).toBe(false);
    expect(happened).toHaveLength(600);
    expect(happened).toEqual([...happened].sort((a, b) => a - b));
  });
});

describe('seeded random numbers', () => {
  it('lie evenly between 0 and 1', () => {
    const random = seededRandom(42);
    const bins = new Array<number>(10).fill(0);
    for (let count = 0; count < 10_000; count += 1) {
      const bin = Math.floor(random() * 10);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    expect(bins).toHaveLength(10);
    expect(Math.min(...bins)).toBeGreaterThan(900);
  });
});
