import type { FleetResult, ServiceLoad } from './fleet-scenarios.ts';

interface Curve {
  readonly values: readonly number[];
  readonly colour: string;
  readonly dash?: string;
}

interface Panel {
  readonly topPx: number;
  readonly title: string;
  readonly most: number;
  readonly curves: readonly Curve[];
}

const width = 760;
const plot = { leftPx: 80, widthPx: 660, heightPx: 150 };

/** An SVG of one scenario: devices that are back, and what hub and DPS were asked beside what they allow. */
export function plotScenario(result: FleetResult): string {
  const { scenario, size, stepMs, back, hub, dps } = result;
  const minutes = (stepMs * (back.length - 1)) / 60_000;
  const panels: Panel[] = [
    {
      topPx: 60,
      title: `devices that are back (of ${size.toLocaleString('en')}); dashed: the fastest that the quota allows`,
      most: size,
      curves: [
        { values: back, colour: '#0a62a8' },
        { values: fastest(result), colour: '#888', dash: '5 4' },
      ],
    },
    ratePanel(270, 'connections a second that the hub is asked for; dashed: its quota', hub),
    ratePanel(480, 'registrations a second that DPS is asked for; dashed: its quota', dps),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="690" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="690" fill="#fff"/>`,
    `<text x="20" y="28" font-size="16">${scenario.title}</text>`,
    ...panels.map((panel) => draw(panel, minutes)),
    `<text x="${plot.leftPx}" y="675">minutes; all back after ${(result.allBackMs / result.leastMs).toFixed(2)} times the least time possible</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function fastest({ scenario, size, stepMs, back, leastMs }: FleetResult): number[] {
  return back.map((_, step) =>
    Math.min(size, Math.max(0, (size * (step * stepMs - scenario.possibleFromMs)) / leastMs)),
  );
}

function ratePanel(topPx: number, title: string, { perSecond, quotaPerSecond }: ServiceLoad): Panel {
  return {
    topPx,
    title,
    most: Math.max(quotaPerSecond * 1.1, ...perSecond),
    curves: [
      { values: perSecond, colour: '#0a62a8' },
      { values: perSecond.map(() => quotaPerSecond), colour: '#b3261e', dash: '5 4' },
    ],
  };
}

function draw({ topPx, title, most, curves }: Panel, minutes: number): string {
  const { leftPx, widthPx, heightPx } = plot;
  const bottomPx = topPx + heightPx;
  const label = (x: number, y: number, text: string, anchor: string): string =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}">${text}</text>`;
  const line = ({ values, colour, dash }: Curve): string => {
    const points = values.map((value, index) => {
      const x = leftPx + (widthPx * index) / (values.length - 1);
      return `${x.toFixed(1)},${(bottomPx - (heightPx * value) / most).toFixed(1)}`;
    });
    const dashes = dash === undefined ? '' : ` stroke-dasharray="${dash}"`;
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5"${dashes}/>`;
  };
  return [
    `<rect x="${leftPx}" y="${topPx}" width="${widthPx}" height="${heightPx}" fill="none" stroke="#bbb"/>`,
    label(leftPx, topPx - 8, title, 'start'),
    label(leftPx - 8, topPx + 10, Math.round(most).toLocaleString('en'), 'end'),
    label(leftPx - 8, bottomPx, '0', 'end'),
    ...[0, 0.25, 0.5, 0.75, 1].map((share) =>
      label(leftPx + widthPx * share, bottomPx + 16, (minutes * share).toFixed(0), 'middle'),
    ),
    ...curves.map(line),
  ].join('\n');
}
