// Trap-heavy: a user program and the small kernel below it. System calls (one copies user memory), demand paging (in the
// bare build: loads that fault and are skipped), an instruction that the kernel emulates, and a timer at 1 kHz.
#ifdef NATIVE
#include "guest.h"
#else
#include "kernel.h"
#endif

const struct program program = {.rounds = 2600, .expected = 0x7fd798dde3909847};

enum { CALLS = 1500, FAULTS = 64, EMULATED = 100, BUFFER = 64, PAGE_BYTES = 4096 };
enum call { ADD, SUM, EXIT };

// What the kernel does, apart from how it is asked.
static uint64_t total;
static NOINLINE uint64_t add(uint64_t value) { return total += value ^ total >> 7; }
static NOINLINE uint64_t sum(const uint8_t *bytes, uint64_t count) {
  uint8_t copy[BUFFER];
  uint64_t result = total;
  for (uint64_t i = 0; i < count; i++) copy[i] = bytes[i];
  for (uint64_t i = 0; i < count; i++) result = result * 31 + copy[i];
  return total = result;
}
// x op y of the emulated instruction.
static inline uint64_t emulated(uint64_t x, uint64_t y) { return (x ^ y) + (x >> 5); }
// What a page holds that was first touched as the n-th.
static inline uint64_t page_content(uint64_t n) { return n * 0x9e3779b97f4a7c15u; }

#ifdef NATIVE

#define USER NOINLINE
static uint64_t pages[FAULTS];
static uint64_t call_add(uint64_t value) { return add(value); }
static uint64_t call_sum(const uint8_t *bytes, uint64_t count) { return sum(bytes, count); }
static uint64_t emulate(uint64_t x, uint64_t y) { return emulated(x, y); }
static uint64_t touch(uint64_t page, uint64_t nth) {
  if (nth < FAULTS) pages[page] = page_content(nth);
  return pages[page];
}

#else

static USER uint64_t system_call(enum call number, uint64_t x, uint64_t y) {
  register uint64_t a0 __asm__("a0") = x;
  register uint64_t a1 __asm__("a1") = y;
  register uint64_t a7 __asm__("a7") = number;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
  return a0;
}
static USER uint64_t call_add(uint64_t value) { return system_call(ADD, value, 0); }
static USER uint64_t call_sum(const uint8_t *bytes, uint64_t count) { return system_call(SUM, (uint64_t)bytes, count); }
static USER uint64_t emulate(uint64_t x, uint64_t y) {
  register uint64_t a0 __asm__("a0") = x;
  register uint64_t a1 __asm__("a1") = y;
  // Custom-0, for whose meaning a machine has to ask its kernel.
  __asm__ volatile(".insn r 0x0b, 0, 0, a0, a0, a1" : "+r"(a0) : "r"(a1));
  return a0;
}

// Virtual addresses in the paged build. In the bare one nothing is there, neither RAM nor a device.
enum { WINDOW = 0x00500000 };
static USER uint64_t touch(uint64_t page, uint64_t nth) {
  (void)nth;
  register uint64_t a0 __asm__("a0") = WINDOW + page * PAGE_BYTES;
  // Four bytes long, so that the kernel knows where to go on after a load that it gave the value of.
  __asm__ volatile(".option push\n.option norvc\nld a0, 0(a0)\n.option pop" : "+r"(a0) : : "memory");
  return a0;
}

#endif

static USER uint64_t user_program(void) {
  uint8_t buffer[BUFFER];
  uint64_t seed = 0x9e3779b97f4a7c15u, result = HASH_START;
  for (int i = 0; i < BUFFER; i++) buffer[i] = (uint8_t)i;
  for (int i = 0; i < CALLS; i++) {
    uint64_t random = next_random(&seed);
    for (int k = 0; k < 8; k++) buffer[random >> (k * 6) & (BUFFER - 1)] = (uint8_t)(random >> k);
    result = hash(result, i % 8 == 7 ? call_sum(buffer, BUFFER) : call_add(random & 0xff));
  }
  for (int i = 0; i < EMULATED; i++) result = emulate(result, next_random(&seed));
  // Each page twice, in another order: the second time it is there.
  for (uint64_t i = 0; i < FAULTS; i++) result = hash(result, touch(i * 37 % FAULTS, i));
  for (uint64_t i = 0; i < FAULTS; i++) result = hash(result, touch(i * 11 % FAULTS, i + FAULTS));
  return result;
}

#ifdef NATIVE

void prepare(void) {}

uint64_t run_round(void) {
  total = 0;
  return user_program();
}

#else

static USER void user_start(void) { system_call(EXIT, user_program(), 0); }

enum {
  PERIOD = 10000,  // 1 kHz of a clock of 10 MHz.
#ifdef PAGED
  TIMER_CAUSE = 5,
#else
  TIMER_CAUSE = 7,
#endif
};

static struct frame frame;
static uint8_t user_stack[4096] __attribute__((aligned(16)));
static uint64_t result, touched, ticks, deadline;
static uint64_t contents[FAULTS];

static uint64_t now(void) { return READ_CSR("time"); }

static void tick(void) {
  ticks++;
  deadline += PERIOD;
  uint64_t time = now();
  if (deadline <= time) deadline = time + PERIOD;
  set_timer(deadline);
}

#ifdef PAGED

static uint8_t frames[FAULTS][PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));

static void give_page(struct frame *user, uint64_t address, uint64_t page) {
  (void)user;
  *(uint64_t *)frames[page] = contents[page];
  map_page(kernel_root(), address & -(uint64_t)PAGE_BYTES, physical_of(frames[page]), PTE_R | PTE_W | PTE_U);
  __asm__ volatile("sfence.vma %0, zero" : : "r"(address) : "memory");
}

static void take_pages(void) {
  for (uint64_t page = 0; page < FAULTS; page++) *entry_of(kernel_root(), WINDOW + page * PAGE_BYTES) = 0;
  __asm__ volatile("sfence.vma" : : : "memory");
}

#else

static void give_page(struct frame *user, uint64_t address, uint64_t page) {
  (void)address;
  user->x[A0] = contents[page];
  user->pc += 4;
}

static void take_pages(void) {}

#endif

static void on_fault(struct frame *user, uint64_t address) {
  uint64_t page = (address - WINDOW) / PAGE_BYTES;
  if (page >= FAULTS) finish(2);
  if (touched < FAULTS) contents[page] = page_content(touched++);
  give_page(user, address, page);
}

struct frame *on_trap(struct frame *user, int64_t cause, uint64_t value) {
  if (cause < 0) {
    tick();
    return user;
  }
  switch (cause) {
    case USER_CALL:
      user->pc += 4;
      switch (user->x[A7]) {
        case ADD: user->x[A0] = add(user->x[A0]); return user;
        case SUM: user->x[A0] = sum((const uint8_t *)(user->x[A0] + KERNEL_OFFSET), user->x[A1]); return user;
        case EXIT: result = user->x[A0]; return NULL;
        default: finish(3);
      }
    case ILLEGAL_INSTRUCTION:
      user->x[A0] = emulated(user->x[A0], user->x[A1]);
      user->pc += 4;
      return user;
    case LOAD_ACCESS_FAULT:
    case LOAD_PAGE_FAULT: on_fault(user, value); return user;
    default: finish(64 + (int)(cause & 63));
  }
}

void prepare(void) {
  map_image_for_user();
  deadline = now() + PERIOD;
  set_timer(deadline);
  SET_CSR(CSR("ie"), 1ul << TIMER_CAUSE);
}

uint64_t run_round(void) {
  total = touched = 0;
  frame.pc = user_address(user_start);
  frame.x[SP] = user_address(user_stack + sizeof user_stack);
  return_to_user_mode();
  enter_user(&frame);
  take_pages();
  return result;
}

// Goes on until the timer has ticked: it does 1000 times a second, in whichever time the machine keeps.
int conclude(void) {
  for (int more = 0; ticks == 0; more++)
    if (more == 1000 || run_round() != program.expected) return 4;
  return 0;
}

#endif
