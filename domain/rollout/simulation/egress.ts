const SECOND = 1_000;
/** A week by seconds would be 600,000 buckets; so many hold a day and a half, and two weeks by ten seconds. */
const BUCKETS = 131_072;

/**
 * How much is downloaded in each moment, and the most that was. Bytes are counted into buckets of a second; where the time outgrows them each becomes twice as
 * long, so that one download costs the same whatever its length.
 */
export class Egress {
  private width = SECOND;
  /** Bytes of the first and the last bucket of each download. */
  private edges = new Float64Array(BUCKETS);
  /** By how much the bytes of a bucket rise or fall against the one before, for what lies between the edges. */
  private rises = new Float64Array(BUCKETS + 1);

  /** @param from milliseconds from the start of the simulation on */
  add(from: number, to: number, bytes: number): void {
    while (to >= this.width * BUCKETS) this.widen();
    const [first, last] = [Math.floor(from / this.width), Math.floor(to / this.width)];
    if (first === last) {
      this.edges[first]! += bytes;
      return;
    }
    const rate = bytes / (to - from);
    this.edges[first]! += rate * ((first + 1) * this.width - from);
    this.edges[last]! += rate * (to - last * this.width);
    this.rises[first + 1]! += rate * this.width;
    this.rises[last]! -= rate * this.width;
  }

  /** Bytes per second. */
  peak(): number {
    return this.totals().reduce((most, bytes) => Math.max(most, bytes), 0) / (this.width / SECOND);
  }

  private totals(): Float64Array {
    let between = 0;
    return this.edges.map((edge, index) => edge + (between += this.rises[index]!));
  }

  private widen(): void {
    const totals = this.totals();
    this.edges = new Float64Array(BUCKETS);
    for (let index = 0; index < BUCKETS; index += 2) this.edges[index / 2] = totals[index]! + totals[index + 1]!;
    this.rises = new Float64Array(BUCKETS + 1);
    this.width *= 2;
  }
}
