// Floating point: planets under gravity and a fast Fourier transform in double precision, the Mandelbrot set in single and
// double. Fused multiply-adds stand where a compiler for RISC-V puts them by itself; they are written out and contraction
// is off, so that every host computes the same bits.
#include "guest.h"

const struct program program = {.rounds = 560, .expected = 0x662304cfcecbd588};

enum { BODIES = 5, STEPS = 600, POINTS = 1024, WIDTH = 48, LIMIT = 60 };

static double root(double x) {
#ifdef NATIVE
  return __builtin_sqrt(x);
#else
  double y;
  __asm__("fsqrt.d %0, %1" : "=f"(y) : "f"(x));
  return y;
#endif
}

static uint64_t bits(double x) {
  union {
    double number;
    uint64_t bits;
  } both = {x};
  return both.bits;
}

#define FMA __builtin_fma

static double position[BODIES][3], velocity[BODIES][3], mass[BODIES];

static NOINLINE void advance(double dt) {
  for (int i = 0; i < BODIES; i++)
    for (int j = i + 1; j < BODIES; j++) {
      double d[3], squared = 0;
      for (int k = 0; k < 3; k++) {
        d[k] = position[i][k] - position[j][k];
        squared = FMA(d[k], d[k], squared);
      }
      double pull = dt / (squared * root(squared));
      for (int k = 0; k < 3; k++) {
        velocity[i][k] = FMA(-d[k], mass[j] * pull, velocity[i][k]);
        velocity[j][k] = FMA(d[k], mass[i] * pull, velocity[j][k]);
      }
    }
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++) position[i][k] = FMA(dt, velocity[i][k], position[i][k]);
}

static NOINLINE uint64_t planets(void) {
  mass[0] = 40;
  for (int k = 0; k < 3; k++) position[0][k] = velocity[0][k] = 0;
  for (int i = 1; i < BODIES; i++) {
    mass[i] = 0.01 * i;
    position[i][0] = 2.0 + 3.0 * i;
    position[i][1] = 0;
    position[i][2] = 0.1 * i;
    velocity[i][0] = velocity[i][2] = 0;
    velocity[i][1] = root(mass[0] / position[i][0]);
  }
  for (int i = 0; i < STEPS; i++) advance(0.001);
  uint64_t sum = HASH_START;
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++) sum = hash(sum, bits(position[i][k]));
  return sum;
}

struct complex {
  double re, im;
};
static struct complex twiddles[POINTS / 2], signal[POINTS];

// The roots of unity by halving the angle, from a quarter turn on: cos(x/2) = sqrt((1 + cos x) / 2).
static void make_twiddles(void) {
  struct complex step = {0, -1};
  twiddles[0] = (struct complex){1, 0};
  for (int span = POINTS / 4; span >= 1; span /= 2) {
    // What lies between the known roots: each known one turned by the new angle.
    for (int k = 0; k < POINTS / 2; k += 2 * span) {
      struct complex known = twiddles[k];
      twiddles[k + span].re = FMA(known.re, step.re, -(known.im * step.im));
      twiddles[k + span].im = FMA(known.re, step.im, known.im * step.re);
    }
    double re = root((1 + step.re) / 2);
    step = (struct complex){re, step.im / (2 * re)};
  }
}

static NOINLINE void transform(void) {
  for (int i = 0, j = 0; i < POINTS; i++) {
    if (i < j) {
      struct complex t = signal[i];
      signal[i] = signal[j];
      signal[j] = t;
    }
    int bit = POINTS / 2;
    for (; j & bit; bit /= 2) j ^= bit;
    j |= bit;
  }
  for (int half = 1; half < POINTS; half *= 2)
    for (int start = 0; start < POINTS; start += 2 * half)
      for (int k = 0; k < half; k++) {
        struct complex w = twiddles[k * (POINTS / 2 / half)], *a = &signal[start + k], *b = a + half;
        double re = FMA(b->re, w.re, -(b->im * w.im)), im = FMA(b->re, w.im, b->im * w.re);
        *b = (struct complex){a->re - re, a->im - im};
        *a = (struct complex){a->re + re, a->im + im};
      }
}

static NOINLINE uint64_t spectrum(void) {
  for (int i = 0; i < POINTS; i++) signal[i] = (struct complex){(i * 37 % 101) * 0.125 - 6, (i & 7) * 0.5};
  transform();
  uint64_t sum = HASH_START;
  for (int i = 0; i < POINTS; i++) sum = hash(hash(sum, bits(signal[i].re)), bits(signal[i].im));
  return sum;
}

static NOINLINE uint64_t mandelbrot_single(void) {
  uint64_t sum = HASH_START;
  for (int y = 0; y < WIDTH; y++)
    for (int x = 0; x < WIDTH; x++) {
      float cr = (float)x / 16.0f - 2.0f, ci = (float)y / 16.0f - 1.5f, zr = 0, zi = 0;
      int n = 0;
      while (n < LIMIT && __builtin_fmaf(zr, zr, zi * zi) < 4.0f) {
        float t = __builtin_fmaf(zr, zr, -(zi * zi)) + cr;
        zi = __builtin_fmaf(2.0f * zr, zi, ci);
        zr = t;
        n++;
      }
      sum = hash(sum, (uint64_t)n);
    }
  return sum;
}

static NOINLINE uint64_t mandelbrot_double(void) {
  uint64_t sum = HASH_START;
  for (int y = 0; y < WIDTH; y++)
    for (int x = 0; x < WIDTH; x++) {
      double cr = x / 16.0 - 2.0, ci = y / 16.0 - 1.5, zr = 0, zi = 0;
      int n = 0;
      while (n < LIMIT && zr * zr + zi * zi < 4.0) {
        double t = zr * zr - zi * zi + cr;
        zi = 2.0 * zr * zi + ci;
        zr = t;
        n++;
      }
      sum = hash(sum, (uint64_t)n);
    }
  return sum;
}

void prepare(void) { make_twiddles(); }

uint64_t run_round(void) {
  uint64_t sum = hash(HASH_START, planets());
  sum = hash(sum, spectrum());
  sum = hash(sum, mandelbrot_single());
  return hash(sum, mandelbrot_double());
}
