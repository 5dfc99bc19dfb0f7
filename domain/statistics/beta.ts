/**
 * ln Γ(x) for x > 0: Lanczos' series with g = 7 and nine terms (Godfrey's coefficients), within 1e-14 of the value or
 * of 1.
 */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const t = x + 6.5;
  const series = LANCZOS.reduce(
    (sum, coefficient, index) => sum + (index === 0 ? coefficient : coefficient / (x - 1 + index)),
    0,
  );
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
}

const LANCZOS = [
  0.999_999_999_999_809_93, 676.520_368_121_885_1, -1_259.139_216_722_402_8, 771.323_428_777_653_13,
  -176.615_029_162_140_59, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6,
  1.505_632_735_149_311_6e-7,
] as const;

/** ln B(a, b), the whole integral of q^(a-1) (1-q)^(b-1) over 0..1. */
function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/**
 * ln of that integral over 0..x only. In logarithms throughout: after a million devices the integrals themselves are
 * far below the smallest number that there is. The integral above x is this one with a and b exchanged, over 0..1-x.
 */
export function logIncompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return -Infinity;
  if (x >= 1) return logBeta(a, b);
  const edge = a * Math.log(x) + b * Math.log1p(-x);
  // The fraction converges fast on the side of the mean where x is; from the other side it is the rest that is taken
  // off.
  if (x < (a + 1) / (a + b + 2)) return edge + Math.log(continuedFraction(x, a, b) / a);
  const whole = logBeta(a, b);
  return whole + Math.log1p(-Math.min(1, Math.exp(edge - whole) * (continuedFraction(1 - x, b, a) / b)));
}

/** Relative; a double holds 2e-16. */
const PRECISION = 1e-14;
/**
 * Some times the square root of the larger parameter is needed near the mean: 3,000 for ten million devices. Past it
 * the value is as good as it gets.
 */
const MOST_TERMS = 10_000;
const TINY = 1e-300;

/**
 * DLMF 8.17.22, summed up by Lentz's method: terms without a division by zero. One flat loop, because a tick of the
 * planner waits for it.
 */
function continuedFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= MOST_TERMS; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    value *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    value *= c * d;
    if (Math.abs(c * d - 1) < PRECISION) break;
  }
  return value;
}

function away(fromZero: number): number {
  return Math.abs(fromZero) < TINY ? TINY : fromZero;
}
