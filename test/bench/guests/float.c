// Floating point: planets under gravity (double) and the Mandelbrot set (float); energy and area are checked.
static double position[5][3], velocity[5][3], mass[5];

static double root(double x) {
  double y;
  __asm__("fsqrt.d %0, %1" : "=f"(y) : "f"(x));
  return y;
}

static double energy(void) {
  double e = 0;
  for (int i = 0; i < 5; i++) {
    for (int k = 0; k < 3; k++) e += 0.5 * mass[i] * velocity[i][k] * velocity[i][k];
    for (int j = i + 1; j < 5; j++) {
      double r2 = 0;
      for (int k = 0; k < 3; k++) {
        double d = position[i][k] - position[j][k];
        r2 += d * d;
      }
      e -= mass[i] * mass[j] / root(r2);
    }
  }
  return e;
}

static void advance(double dt) {
  for (int i = 0; i < 5; i++)
    for (int j = i + 1; j < 5; j++) {
      double d[3], r2 = 0;
      for (int k = 0; k < 3; k++) {
        d[k] = position[i][k] - position[j][k];
        r2 += d[k] * d[k];
      }
      double f = dt / (r2 * root(r2));
      for (int k = 0; k < 3; k++) {
        velocity[i][k] -= d[k] * mass[j] * f;
        velocity[j][k] += d[k] * mass[i] * f;
      }
    }
  for (int i = 0; i < 5; i++)
    for (int k = 0; k < 3; k++) position[i][k] += dt * velocity[i][k];
}

static int mandelbrot(void) {
  int inside = 0;
  for (int y = 0; y < 96; y++)
    for (int x = 0; x < 96; x++) {
      float cr = (float)x / 32.0f - 2.0f, ci = (float)y / 32.0f - 1.5f, zr = 0, zi = 0;
      int n = 0;
      while (n < 100 && zr * zr + zi * zi < 4.0f) {
        float t = zr * zr - zi * zi + cr;
        zi = 2.0f * zr * zi + ci;
        zr = t;
        n++;
      }
      inside += n == 100;
    }
  return inside;
}

int main(void) {
  mass[0] = 40;
  for (int i = 1; i < 5; i++) {
    mass[i] = 0.01 * i;
    position[i][0] = 2.0 + 3.0 * i;
    position[i][2] = 0.1 * i;
    velocity[i][1] = root(mass[0] / position[i][0]);
  }
  double before = energy();
  for (int i = 0; i < 20000; i++) advance(0.001);
  double drift = (energy() - before) / before;
  if (drift > 1e-4 || drift < -1e-4) return 1;
  int area = mandelbrot();
  for (int i = 0; i < 5; i++)
    if (mandelbrot() != area) return 2;
  return area > 1200 && area < 1800 ? 0 : 3;
}
