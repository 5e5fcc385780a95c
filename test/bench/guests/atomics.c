// Atomics as an operating system's code uses them: a spinlock around a queue, a ticket lock, a stack without locks
// (compare and swap with a count against reuse), reference counts, bit sets, and running minima and maxima.
#include "guest.h"

const struct program program = {.rounds = 168000, .expected = 0xc9ca941d14e1df8b};

enum { ITEMS = 64, PASSES = 40, BITS = 256 };

static uint32_t lock, tickets, serving;
static uint64_t queue[ITEMS], counts[ITEMS], bitmap[BITS / 64], top, smallest, largest;
static uint32_t next_of[ITEMS], head, tail;
static int64_t low;

#define RELAXED __ATOMIC_RELAXED
#define ACQUIRE __ATOMIC_ACQUIRE
#define RELEASE __ATOMIC_RELEASE
#define ACQ_REL __ATOMIC_ACQ_REL

// The extremes have no builtin: an instruction where there is one.
static inline void keep_largest(uint64_t *at, uint64_t value) {
#ifdef NATIVE
  if (value > *at) *at = value;
#else
  __asm__ volatile("amomaxu.d zero, %1, %0" : "+A"(*at) : "r"(value));
#endif
}

static inline void keep_smallest(uint64_t *at, uint64_t value) {
#ifdef NATIVE
  if (value < *at) *at = value;
#else
  __asm__ volatile("amominu.d zero, %1, %0" : "+A"(*at) : "r"(value));
#endif
}

static inline void keep_low(int64_t *at, int64_t value) {
#ifdef NATIVE
  if (value < *at) *at = value;
#else
  __asm__ volatile("amomin.d zero, %1, %0" : "+A"(*at) : "r"(value));
#endif
}

static NOINLINE void acquire(uint32_t *at) {
  while (__atomic_exchange_n(at, 1, ACQUIRE) != 0) {
  }
}

static NOINLINE void release(uint32_t *at) { __atomic_store_n(at, 0, RELEASE); }

static NOINLINE void enqueue(uint64_t value) {
  acquire(&lock);
  queue[tail++ % ITEMS] = value;
  release(&lock);
}

static NOINLINE uint64_t dequeue(void) {
  acquire(&lock);
  uint64_t value = queue[head++ % ITEMS];
  release(&lock);
  return value;
}

// The low half of `top` is an item's number plus one, the high half counts changes.
static NOINLINE void push(uint32_t item) {
  uint64_t old = __atomic_load_n(&top, ACQUIRE), new;
  do {
    next_of[item] = (uint32_t)old;
    new = ((old >> 32) + 1) << 32 | (item + 1);
  } while (!__atomic_compare_exchange_n(&top, &old, new, 1, ACQ_REL, ACQUIRE));
}

static NOINLINE uint32_t pop(void) {
  uint64_t old = __atomic_load_n(&top, ACQUIRE), new;
  do {
    if ((uint32_t)old == 0) return ITEMS;
    new = ((old >> 32) + 1) << 32 | next_of[(uint32_t)old - 1];
  } while (!__atomic_compare_exchange_n(&top, &old, new, 1, ACQ_REL, ACQUIRE));
  return (uint32_t)old - 1;
}

static NOINLINE uint32_t with_ticket(uint64_t *count) {
  uint32_t mine = __atomic_fetch_add(&tickets, 1, RELAXED);
  while (__atomic_load_n(&serving, ACQUIRE) != mine) {
  }
  *count += mine;
  __atomic_store_n(&serving, mine + 1, RELEASE);
  return mine;
}

static NOINLINE int take_bit(uint32_t bit) {
  uint64_t mask = 1ull << bit % 64;
  return (__atomic_fetch_or(&bitmap[bit / 64], mask, ACQ_REL) & mask) == 0;
}

static NOINLINE void give_bit(uint32_t bit) { __atomic_fetch_and(&bitmap[bit / 64], ~(1ull << bit % 64), ACQ_REL); }

void prepare(void) {}

uint64_t run_round(void) {
  uint64_t seed = 0x9e3779b97f4a7c15u, sum = HASH_START, total = 0;
  top = largest = tickets = serving = head = tail = 0;
  smallest = ~0ull;
  low = 0;
  for (int i = 0; i < ITEMS; i++) counts[i] = 0;
  for (int i = 0; i < BITS / 64; i++) bitmap[i] = 0;
  for (uint32_t i = 0; i < ITEMS; i++) push(i);
  for (int pass = 0; pass < PASSES; pass++) {
    uint64_t random = next_random(&seed);
    uint32_t a = pop(), b = pop();
    __atomic_fetch_add(&counts[a], random & 15, RELAXED);
    __atomic_fetch_sub(&counts[b], 1, ACQ_REL);
    __atomic_fetch_xor(&counts[(a + b) % ITEMS], random, RELAXED);
    push(random & 1 ? a : b);
    push(random & 1 ? b : a);
    enqueue(random);
    if (pass & 1) total += dequeue() ^ dequeue();
    total += with_ticket(&counts[pass % ITEMS]);
    uint32_t bit = (uint32_t)(random >> 20) % BITS;
    if (take_bit(bit)) total++;
    if (pass % 3 == 0) give_bit(bit);
    keep_largest(&largest, random);
    keep_smallest(&smallest, random);
    keep_low(&low, (int64_t)random);
    total ^= __atomic_exchange_n(&counts[pass % ITEMS], random >> 8, ACQ_REL);
  }
  for (int i = 0; i < ITEMS; i++) sum = hash(sum, counts[i]);
  for (int i = 0; i < BITS / 64; i++) sum = hash(sum, bitmap[i]);
  sum = hash(hash(hash(sum, total), largest), smallest);
  return hash(hash(sum, (uint64_t)low), top);
}
