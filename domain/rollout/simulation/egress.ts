import { defined } from '../../defined.js';

const SECOND = 1_000;
/**
 * By seconds they hold four and a half hours, by minutes eleven days. Each run has its own, so that more would cost a
 * small rollout more than all else.
 */
const BUCKETS = 16_384;

/**
 * How much is downloaded in each moment, and the most that was. Bytes are counted into buckets of a second; where the
 * time outgrows them each becomes twice as long, so that one download costs the same whatever its length. Downloads
 * come in the order of their beginning, so that what lies behind is final then: its peak is kept as it was seen in the
 * finer buckets.
 */
export class Egress {
  private width = SECOND;
  private used = 0;
  private most = 0;
  /** Bytes of the first and the last bucket of each download. */
  private edges = new Float64Array(BUCKETS);
  /** By how much the bytes of a bucket rise or fall against the one before, for what lies between the edges. */
  private rises = new Float64Array(BUCKETS + 1);

  /** @param from milliseconds from the start of the simulation on */
  add(from: number, to: number, bytes: number): void {
    while (to >= this.width * BUCKETS) this.widen();
    const [first, last] = [Math.floor(from / this.width), Math.floor(to / this.width)];
    this.used = Math.max(this.used, last + 1);
    if (first === last) return raise(this.edges, first, bytes);
    const rate = bytes / (to - from);
    raise(this.edges, first, rate * ((first + 1) * this.width - from));
    raise(this.edges, last, rate * (to - last * this.width));
    raise(this.rises, first + 1, rate * this.width);
    raise(this.rises, last, -rate * this.width);
  }

  /** Bytes per second. */
  peak(): number {
    this.keepPeak(this.totals());
    return this.most;
  }

  private keepPeak(totals: Float64Array): void {
    for (const bytes of totals) this.most = Math.max(this.most, bytes / (this.width / SECOND));
  }

  private totals(): Float64Array {
    const totals = this.edges.slice(0, this.used);
    let between = 0;
    for (let index = 0; index < this.used; index += 1) {
      between += bytesIn(this.rises, index);
      raise(totals, index, between);
    }
    return totals;
  }

  private widen(): void {
    const totals = this.totals();
    this.keepPeak(totals);
    this.edges = new Float64Array(BUCKETS);
    for (const [index, bytes] of totals.entries()) raise(this.edges, index >> 1, bytes);
    this.rises = new Float64Array(BUCKETS + 1);
    this.used = (this.used + 1) >> 1;
    this.width *= 2;
  }
}

/** `add` widens the buckets until its download ends within them, so that no index lies beyond the last one. */
function bytesIn(buckets: Float64Array, index: number): number {
  return defined(buckets[index], 'every download ends within the buckets');
}

function raise(buckets: Float64Array, index: number, bytes: number): void {
  buckets[index] = bytesIn(buckets, index) + bytes;
}
