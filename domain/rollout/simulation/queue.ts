import { defined } from '../../defined.js';

const PLACES = 'the heap reads only places that it has filled';

/**
 * What will happen in a simulated fleet, soonest first; of two at the same time, the one of the lower number. A binary
 * heap over flat arrays: a run over a million devices puts in and takes out some millions of entries, and an object for
 * each would cost more than the planner.
 */
export class EventQueue {
  private times = new Float64Array(1024);
  private numbers = new Int32Array(1024);
  private count = 0;

  /** When the first entry is due; Infinity where there is none. */
  get nextAt(): number {
    return this.count === 0 ? Infinity : this.timeAt(0);
  }

  put(at: number, number: number): void {
    if (this.count === this.times.length) this.grow();
    let place = this.count;
    this.count += 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.before(at, number, parent)) break;
      this.move(parent, place);
      place = parent;
    }
    this.set(place, at, number);
  }

  /** @returns the number of the first entry. Only where there is one. */
  pop(): number {
    const first = this.numberAt(0);
    this.count -= 1;
    const [at, number] = [this.timeAt(this.count), this.numberAt(this.count)];
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.count) break;
      if (child + 1 < this.count && this.before(this.timeAt(child + 1), this.numberAt(child + 1), child)) child += 1;
      const time = this.timeAt(child);
      if (!(time < at || (time === at && this.numberAt(child) < number))) break;
      this.move(child, place);
      place = child;
    }
    this.set(place, at, number);
    return first;
  }

  /** The heap has both arrays filled up to `count`, and reads no further than that. */
  private timeAt(place: number): number {
    return defined(this.times[place], PLACES);
  }

  private numberAt(place: number): number {
    return defined(this.numbers[place], PLACES);
  }

  private before(at: number, number: number, place: number): boolean {
    const other = this.timeAt(place);
    return at < other || (at === other && number < this.numberAt(place));
  }

  private move(from: number, to: number): void {
    this.set(to, this.timeAt(from), this.numberAt(from));
  }

  private set(place: number, at: number, number: number): void {
    this.times[place] = at;
    this.numbers[place] = number;
  }

  private grow(): void {
    const [times, numbers] = [new Float64Array(2 * this.count), new Int32Array(2 * this.count)];
    times.set(this.times);
    numbers.set(this.numbers);
    this.times = times;
    this.numbers = numbers;
  }
}
