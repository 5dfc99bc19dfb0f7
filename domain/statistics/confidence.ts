import { logIncompleteBeta } from './beta.js';

/** Between what a failure rate lies: each bound holds with the confidence that was asked for. */
export interface RateBounds {
  readonly lower: number;
  readonly upper: number;
}

/**
 * Density of the mixture over failure rates q: A · q^(A-1), which is Beta(A, 1). Measured over gates of 1 %, 5 % and 20
 * % at confidence 0.95: with 1/2, 74 devices without a failure pass a gate of 5 % (59 would, if one looked once), a
 * firmware with a fifth of the allowed rate passes after 136 and one with twice the allowed rate fails after 229, on
 * the average. With 1 (flat) those are 88, 147 and 259: flat hardly believes in firmware that simply works. With 1/4
 * they are 67, 136 and 217, and a firmware with two thirds of the allowed rate, the hard case, needs 6 % more than with
 * 1/2. A wrong value here costs devices, never validity: the error is bounded with every mixture.
 */
const A = 0.5;

/**
 * Bounds on the rate at which devices fail, after `failed` of `ended`, that hold *at every look at once*: however often
 * one looks and whenever one stops, the chance that `upper` was ever below the true rate is at most 1 - confidence, and
 * so is the chance that `lower` was ever above it.
 *
 * For a rate p the evidence that the true rate is below it is the likelihood of what was seen, averaged over the
 * mixture's rates below p, divided by its likelihood under p (Robbins' method of mixtures; for p as the truth it is a
 * martingale that begins at 1, for a truth above p it falls). By Ville's inequality it ever reaches 1 / (1 -
 * confidence) with a chance of at most 1 - confidence. `upper` is where it does, `lower` is the same from above.
 *
 * One-sided twice instead of two-sided once: a gate makes two different mistakes, a false pass and a false fail, and
 * each has its own promise. A mixture over all rates would hold both in one promise, and spend 107 devices on what
 * takes 74 here. So `lower` and `upper` *together* hold with 1 - 2 · (1 - confidence).
 *
 * @param ended devices whose installation ended, in the order of admission without a gap (prefix.ts)
 * @throws RangeError where there are no such numbers
 */
export function failureRateBounds(failed: number, ended: number, confidence: number): RateBounds {
  check(failed, ended, confidence);
  const enough = threshold(confidence);
  const rate = ended === 0 ? 0 : failed / ended;
  return {
    lower: failed === 0 ? 0 : border(rate, 0, ended, enough, (p) => evidenceAbove(p, failed, ended - failed)),
    upper: failed === ended ? 1 : border(rate, 1, ended, enough, (p) => evidenceBelow(p, failed, ended - failed)),
  };
}

/** What a gate says: the same as comparing `maxFailureRate` with the bounds, without the search for them. */
export function judgeRate(
  failed: number,
  ended: number,
  maxFailureRate: number,
  confidence: number,
): 'pass' | 'fail' | 'wait' {
  check(failed, ended, confidence);
  checkRate(maxFailureRate);
  const enough = threshold(confidence);
  // Evidence that the rate lies on the other side of what was seen there is none.
  if (failed < maxFailureRate * ended)
    return evidenceBelow(maxFailureRate, failed, ended - failed) >= enough ? 'pass' : 'wait';
  if (failed > maxFailureRate * ended && evidenceAbove(maxFailureRate, failed, ended - failed) >= enough) return 'fail';
  return 'wait';
}

/** More than any fleet has: a gate that needs more is not met by one. */
const MOST_DEVICES = 1e9;

/**
 * How many devices must end, none of them failed, before such a gate passes: a smaller group never can. Infinity for a
 * rate of 0, which nothing proves, and for one that a thousand million devices do not.
 */
export function sampleNeeded(maxFailureRate: number, confidence: number): number {
  check(0, 0, confidence);
  checkRate(maxFailureRate);
  if (maxFailureRate === 0) return Infinity;
  const passes = (ended: number): boolean => evidenceBelow(maxFailureRate, 0, ended) >= threshold(confidence);
  let enough = 1;
  while (!passes(enough)) {
    if (enough > MOST_DEVICES) return Infinity;
    enough *= 2;
  }
  let tooFew = Math.floor(enough / 2);
  while (enough - tooFew > 1) {
    const middle = Math.floor((enough + tooFew) / 2);
    if (passes(middle)) enough = middle;
    else tooFew = middle;
  }
  return enough;
}

/** ln of the evidence that the true rate is below p. */
function evidenceBelow(p: number, failed: number, succeeded: number): number {
  if (p === 0 || (p === 1 && succeeded === 0)) return -Infinity;
  if (p === 1) return Infinity;
  const seen = logIncompleteBeta(p, A + failed, 1 + succeeded);
  const share = A * Math.log(p);
  return Math.log(A) + seen - share - logLikelihood(p, failed, succeeded);
}

/** ln of the evidence that the true rate is above p. */
function evidenceAbove(p: number, failed: number, succeeded: number): number {
  if (p === 1 || (p === 0 && failed === 0)) return -Infinity;
  if (p === 0) return Infinity;
  const seen = logIncompleteBeta(1 - p, 1 + succeeded, A + failed);
  const share = Math.log(-Math.expm1(A * Math.log(p)));
  return Math.log(A) + seen - share - logLikelihood(p, failed, succeeded);
}

function logLikelihood(p: number, failed: number, succeeded: number): number {
  return (failed === 0 ? 0 : failed * Math.log(p)) + (succeeded === 0 ? 0 : succeeded * Math.log1p(-p));
}

function threshold(confidence: number): number {
  return -Math.log1p(-confidence);
}

interface Look {
  readonly p: number;
  /** What the evidence lacks here: positive inside of the bounds, at most 0 outside. */
  readonly lacks: number;
}

/** Relative. Closer than anyone reads, and further than what rounding blurs after a million devices. */
const CLOSE = 1e-11;

/**
 * Where the evidence, on the way from the rate that was seen to `end`, is enough for the first time; it crosses that
 * border once. Some ten looks at the evidence, where halving would take forty: after a million devices each costs some
 * tens of microseconds.
 */
function border(seen: number, end: 0 | 1, ended: number, enough: number, evidence: (p: number) => number): number {
  const look = (p: number): Look => ({ p, lacks: enough - evidence(p) });
  // Nothing speaks against the rate that was seen: the evidence is at most 0 there.
  let inside: Look = { p: seen, lacks: enough };
  let reach = 4 * Math.sqrt((seen * (1 - seen) + 1 / (ended + 1)) / (ended + 1));
  const reached = (): number => (end === 1 ? Math.min(1, seen + reach) : Math.max(0, seen - reach));
  let outside = look(reached());
  while (outside.lacks > 0) {
    inside = outside;
    reach *= 2;
    outside = look(reached());
  }
  return closeIn(inside, outside, look);
}

/**
 * The Illinois method: secants, and an end that stays where it is counts half, so that both close in. @returns the
 * outer end
 */
function closeIn(inside: Look, outside: Look, look: (p: number) => Look): number {
  let moved: 'inside' | 'outside' | undefined;
  while (Math.abs(outside.p - inside.p) > CLOSE * Math.max(outside.p, inside.p)) {
    const next = look(between(inside, outside));
    if (next.lacks > 0) {
      if (moved === 'inside') outside = { ...outside, lacks: outside.lacks / 2 };
      [inside, moved] = [next, 'inside'];
    } else {
      if (moved === 'outside') inside = { ...inside, lacks: inside.lacks / 2 };
      [outside, moved] = [next, 'outside'];
    }
  }
  return outside.p;
}

/**
 * Where the secant is 0, or the middle where it names no place strictly between: so each step makes the interval
 * smaller.
 */
function between(a: Look, b: Look): number {
  const secant = a.p + ((b.p - a.p) * a.lacks) / (a.lacks - b.lacks);
  const inside = secant > Math.min(a.p, b.p) && secant < Math.max(a.p, b.p);
  return inside && Number.isFinite(b.lacks) ? secant : (a.p + b.p) / 2;
}

function check(failed: number, ended: number, confidence: number): void {
  const counts = Number.isSafeInteger(failed) && Number.isSafeInteger(ended) && failed >= 0 && failed <= ended;
  if (!counts) throw new RangeError(`${failed} of ${ended} is no count of failures`);
  if (!(confidence > 0 && confidence < 1))
    throw new RangeError(`a confidence lies between 0 and 1, and ${confidence} does not`);
}

function checkRate(rate: number): void {
  if (!(rate >= 0 && rate <= 1)) throw new RangeError(`a rate lies within 0 and 1, and ${rate} does not`);
}
