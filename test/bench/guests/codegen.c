// Code that writes code, as a just-in-time compiler does: functions are generated into a buffer that is used again and
// again, fenced, and called; then one instruction of each is patched, and they are called again.
#include "generator.h"

const struct program program = {.rounds = 800, .expected = 0xf838b2abb1721ecb};

enum { FUNCTIONS = 48, CALLS = 120 };

static uint64_t seed_of(uint64_t function) { return (function + 1) * 0x9e3779b97f4a7c15u; }

#ifdef NATIVE

static int16_t patches[FUNCTIONS];
static void write_function(int function, int16_t patch) { patches[function] = patch; }
static void patch_function(int function, int16_t patch) { patches[function] = patch; }
static uint64_t call(int function, uint64_t first, uint64_t second) {
  return evaluate(seed_of((uint64_t)function), patches[function], first, second);
}
static void fence_i(void) {}

#else

static uint32_t buffer[FUNCTIONS][FUNCTION_WORDS] __attribute__((aligned(4096)));
// Nothing else on the last page of the buffer.
static uint8_t after_buffer[4096] __attribute__((aligned(4096), used));

static void write_function(int function, int16_t patch) { emit(buffer[function], seed_of((uint64_t)function), patch); }
static void patch_function(int function, int16_t patch) {
  *(volatile uint32_t *)&buffer[function][1] = first_operation(seed_of((uint64_t)function), patch);
}
static uint64_t call(int function, uint64_t first, uint64_t second) {
  return run_generated(buffer[function], first, second);
}

#endif

static uint64_t call_all(uint64_t sum) {
  for (int function = 0; function < FUNCTIONS; function++)
    for (int i = 0; i < CALLS; i++) sum = hash(sum, call(function, sum, (uint64_t)i));
  return sum;
}

void prepare(void) {}

uint64_t run_round(void) {
  uint64_t sum = HASH_START;
  for (int function = 0; function < FUNCTIONS; function++) write_function(function, (int16_t)(function * 3));
  fence_i();
  sum = call_all(sum);
  for (int function = 0; function < FUNCTIONS; function++) patch_function(function, (int16_t)(-function * 5));
  fence_i();
  return call_all(sum);
}
