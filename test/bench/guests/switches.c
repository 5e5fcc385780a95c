// Context switches: tasks in U-mode that yield after a little work, each in an address space of its own with private pages
// at the same addresses (in the bare build: with private memory). The kernel passes what one yields with to the next.
#ifdef NATIVE
#include "guest.h"
#else
#include "kernel.h"
#endif

// A change of address space costs QEMU ten times what one of tasks does.
#ifdef PAGED
#define SWITCH_ROUNDS 160
#else
#define SWITCH_ROUNDS 1600
#endif

const struct program program = {.rounds = SWITCH_ROUNDS, .expected = 0x555cbcf0cd9df970};

enum { TASKS = 8, YIELDS = 250, PAGES = 6, WORDS = 512, TOUCHED = 24 };

// A task's work between two switches, on its private pages and on the token that goes round.
static inline uint64_t work(uint64_t (*memory)[WORDS], uint64_t token, uint64_t step) {
  for (uint64_t i = 0; i < TOUCHED; i++) {
    uint64_t *cell = &memory[(token + i) % PAGES][(token >> 8 & 0xff) + i * 5];
    uint64_t before = *cell;
    *cell += token ^ step;
    token = hash(token, before + i);
  }
  return token;
}

static uint64_t private[TASKS][PAGES][WORDS] __attribute__((aligned(4096)));

static void clear(void) {
  for (int i = 0; i < TASKS; i++)
    for (int page = 0; page < PAGES; page++)
      for (int k = 0; k < WORDS; k++) private[i][page][k] = 0;
}

#ifdef NATIVE

void prepare(void) {}

uint64_t run_round(void) {
  clear();
  uint64_t token = HASH_START;
  for (uint64_t step = 0; step < YIELDS; step++)
    for (int task = 0; task < TASKS; task++) token = work(private[task], token, step);
  return token;
}

#else

static USER uint64_t yield(uint64_t token) {
  register uint64_t a0 __asm__("a0") = token;
  __asm__ volatile("ecall" : "+r"(a0) : : "memory");
  return a0;
}

static USER void task_start(uint64_t token, uint64_t (*memory)[WORDS]) {
  for (uint64_t step = 0;; step++) token = yield(work(memory, token, step));
}

struct task {
  struct frame frame;
  uint64_t satp;
};
static struct task tasks[TASKS];
static uint8_t stacks[TASKS][1024] __attribute__((aligned(16)));
static uint32_t running, yields;
static uint64_t result;

#ifdef PAGED

static const uint64_t PRIVATE = 0x10000000;

static void make_spaces(void) {
  extern uint8_t stack_top[];
  for (int i = 0; i < TASKS; i++) {
    uint64_t *root = new_table();
    for (int entry = ENTRIES / 2; entry < ENTRIES; entry++) root[entry] = kernel_root()[entry];
    map_user(root, 0x80000000, physical_of(stack_top));
    for (int page = 0; page < PAGES; page++)
      map_page(root, PRIVATE + (uint64_t)page * PAGE, physical_of(private[i][page]), PTE_R | PTE_W | PTE_U);
    tasks[i].satp = satp_of(root);
  }
}

static void enter_space(const struct task *task) {
  WRITE_CSR("satp", task->satp);
  __asm__ volatile("sfence.vma" : : : "memory");
}

static uint64_t memory_of(int task) {
  (void)task;
  return PRIVATE;
}

#else

static void make_spaces(void) {}
static void enter_space(const struct task *task) { (void)task; }
static uint64_t memory_of(int task) { return (uint64_t)private[task]; }

#endif

struct frame *on_trap(struct frame *frame, int64_t cause, uint64_t value) {
  (void)value;
  if (cause != USER_CALL) finish(64 + (int)(cause & 63));
  uint64_t token = frame->x[A0];
  frame->pc += 4;
  if (++yields == TASKS * YIELDS) {
    result = token;
    return NULL;
  }
  running = (running + 1) % TASKS;
  struct task *next = &tasks[running];
  enter_space(next);
  next->frame.x[A0] = token;
  return &next->frame;
}

void prepare(void) { make_spaces(); }

uint64_t run_round(void) {
  clear();
  for (int i = 0; i < TASKS; i++) {
    tasks[i].frame.pc = user_address(task_start);
    tasks[i].frame.x[SP] = user_address(stacks[i] + sizeof stacks[i]);
    tasks[i].frame.x[A0] = HASH_START;
    tasks[i].frame.x[A1] = memory_of(i);
  }
  yields = running = 0;
  enter_space(&tasks[0]);
  return_to_user_mode();
  enter_user(&tasks[0].frame);
  return result;
}

#endif
