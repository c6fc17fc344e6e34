/** One way of doing the same thing, with how long each run took. */
export interface Measured {
  readonly way: string;
  readonly milliseconds: readonly number[];
}

/** What was measured in one run; ratios are against the first row. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Measured[];
  /** Named ratios for `--json`: one row's median over another's. */
  readonly ratios: Readonly<Record<string, readonly [way: string, over: string]>>;
}

/** One way of doing the same thing, with how often a second each round did it. */
export interface RateRow {
  readonly way: string;
  readonly perSecond: readonly number[];
}

/** Rates that were measured in one run, and what follows from them. */
export interface RateTable {
  readonly title: string;
  readonly rows: readonly RateRow[];
  /** For `--json`, under these names. */
  readonly figures: Readonly<Record<string, number>>;
  /** What could not be measured, and why. */
  readonly notes: readonly string[];
}

/** Several tables of one run. */
export interface Sheet {
  readonly title: string;
  /** What could not be measured here, and why. */
  readonly skipped: readonly string[];
  readonly sections: readonly {
    readonly title: string;
    readonly columns: readonly string[];
    readonly rows: readonly (readonly string[])[];
  }[];
  /** For `--json`. */
  readonly values: Readonly<Record<string, number>>;
}

export interface BenchOptions {
  /** Everything, however long it takes. */
  readonly full: boolean;
  /** The long run is one of a million, and is recorded in bench/results. */
  readonly million: boolean;
  /** One part alone, where a bench has parts. */
  readonly part?: string;
}

export type Report = Table | RateTable | Sheet;

export type Bench = (progress: (text: string) => void, options: BenchOptions) => Promise<Report>;

/** Text for people; with `json`, one line. */
export function showReport(report: Report, options: { json: boolean }): void {
  if ('sections' in report) showSheet(report, options);
  else if ('figures' in report) showRates(report, options);
  else showTable(report, options);
}

/** Text for people; with `json`, one line with the values. */
function showSheet({ title, skipped, sections, values }: Sheet, { json }: { json: boolean }): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ title, ...values, ...(skipped.length > 0 && { skipped }) })}\n`);
    return;
  }
  const lines = ['', title];
  for (const section of sections) {
    lines.push('', section.title);
    for (const [first = '', ...cells] of [section.columns, ...section.rows]) {
      lines.push(`${first.padEnd(44)}${cells.map((cell) => cell.padStart(13)).join('')}`);
    }
  }
  lines.push('', ...Object.entries(values).map(([name, value]) => `${name.padEnd(44)}${String(value).padStart(13)}`));
  lines.push(...skipped.map((text) => `Skipped: ${text}`), '');
  process.stdout.write(lines.join('\n'));
}

function showRates({ title, rows, figures, notes }: RateTable, { json }: { json: boolean }): void {
  const medians = rows.map(({ way, perSecond }) => [way, quantile(perSecond, 0.5)] as const);
  if (json) {
    const perSecond = Object.fromEntries(medians.map(([way, median]) => [way, round(median, 1)]));
    process.stdout.write(`${JSON.stringify({ title, ...figures, perSecond, notes })}\n`);
    return;
  }
  process.stdout.write(`\n${title}\n${'way'.padEnd(50)}${'a second'.padStart(10)}\n`);
  for (const [way, median] of medians) {
    process.stdout.write(
      `${way.padEnd(50)}${(median < 100 ? round(median, 1) : Math.round(median)).toLocaleString('en').padStart(10)}\n`,
    );
  }
  process.stdout.write('\n');
  for (const [name, value] of Object.entries(figures))
    process.stdout.write(`${name.padEnd(50)}${String(value).padStart(10)}\n`);
  for (const note of notes) process.stdout.write(`${note}\n`);
}

/** Text for people; with `json`, one line with the ratios and the medians. */
function showTable({ title, rows, ratios }: Table, { json }: { json: boolean }): void {
  const medians = new Map(rows.map(({ way, milliseconds }) => [way, quantile(milliseconds, 0.5)]));
  const ratio = ([way, over]: readonly [string, string]): number =>
    round((medians.get(way) ?? NaN) / (medians.get(over) ?? NaN), 2);
  if (json) {
    const values = Object.fromEntries(Object.entries(ratios).map(([name, pair]) => [name, ratio(pair)]));
    const ms = Object.fromEntries([...medians].map(([way, median]) => [way, round(median, 1)]));
    process.stdout.write(`${JSON.stringify({ title, ...values, medianMs: ms })}\n`);
    return;
  }
  process.stdout.write(
    `\n${title}\n${'way'.padEnd(44)}${'median'.padStart(10)}${'p95'.padStart(10)}${'ratio'.padStart(8)}\n`,
  );
  const base = rows[0]?.way ?? '';
  for (const { way, milliseconds } of rows) {
    const cells = [`${round(quantile(milliseconds, 0.5), 1)} ms`, `${round(quantile(milliseconds, 0.95), 1)} ms`];
    process.stdout.write(
      `${way.padEnd(44)}${cells.map((cell) => cell.padStart(10)).join('')}${String(ratio([way, base])).padStart(8)}\n`,
    );
  }
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
