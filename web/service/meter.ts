/** Long enough that one slow packet does not shake the figure, short enough to follow a change of the line. */
const MEASURED_MS = 5_000;
/** A rate over less is a guess. */
const LEAST_MS = 250;

/** The rate of an upload over its last seconds. */
export class Meter {
  private samples: { readonly at: number; readonly sent: number }[] = [];

  /** @param at milliseconds of a clock that only goes forward @returns bytes a second, once it can be told */
  take(at: number, sent: number): number | undefined {
    this.samples = [...this.samples.filter((sample) => at - sample.at <= MEASURED_MS), { at, sent }];
    const first = this.samples[0];
    if (first === undefined || at - first.at < LEAST_MS) return undefined;
    return ((sent - first.sent) * 1_000) / (at - first.at);
  }
}
