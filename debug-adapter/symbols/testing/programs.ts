import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Elf, parseElf } from '../../../vmm/formats/elf.ts';

/** A program built for a test, in a folder of its own. */
export interface Program {
  readonly folder: string;
  readonly path: string;
  readonly elf: Elf;
  readonly bytes: Uint8Array;
}

/** Compiles and links freestanding sources with Debian's cross compiler. `remove` the folder afterwards. */
export function buildProgram(sources: Readonly<Record<string, string>>, flags: readonly string[]): Program {
  const folder = mkdtempSync(join(tmpdir(), 'hartscope-symbols-'));
  for (const [name, text] of Object.entries(sources)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const path = join(folder, 'program.elf');
  const inputs = Object.keys(sources).filter((name) => /\.[cS]$/.test(name));
  const fixed = ['-nostdlib', '-ffreestanding', '-static', '-mcmodel=medany', '-march=rv64gc', '-mabi=lp64d'];
  const script = 'link.ld' in sources ? ['-T', 'link.ld'] : [];
  execFileSync(
    'riscv64-unknown-elf-gcc',
    [...fixed, ...script, '-Wl,--build-id=none', ...flags, ...inputs, '-o', path],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const bytes = readFileSync(path);
  return { folder, path, elf: parseElf(bytes), bytes };
}

export function removeProgram(program: Program | undefined): void {
  if (program !== undefined) rmSync(program.folder, { recursive: true, force: true });
}

/** Runs a tool and returns what it prints; the output of dumping tools is long. */
export function runTool(tool: string, args: readonly string[], input?: string): string {
  const options = { encoding: 'utf8', maxBuffer: 1 << 28, input } as const;
  return execFileSync(tool, [...args], options);
}

/** Exercises what the readers must understand: inlining, blocks, bit fields, loops, recursion, assembly. */
export const SOURCES: Readonly<Record<string, string>> = {
  'main.c': `#include "list.h"
typedef unsigned long uint64_t;
typedef unsigned char uint8_t;
enum state { IDLE, RUNNING = 5, DEAD = -1 };
union word { uint64_t whole; uint8_t bytes[8]; };
struct page {
  struct page *next;
  uint64_t address;
  unsigned flags : 3;
  signed order : 5;
  enum state state;
  char name[16];
  union word word;
  int (*release)(struct page *, int);
  struct { short x, y; };
};
static int release_page(struct page *p, int count);
struct page pages[3] = {
  { .next = &pages[1], .address = 0x1000, .flags = 5, .order = -3, .state = RUNNING, .name = "first",
    .word.whole = 0x1122334455667788, .release = release_page, .x = 7, .y = -8 },
  { .next = &pages[2], .address = 0x2000, .name = "second" },
};
static volatile int counter = 42;
double ratio = 1.5;
const int matrix[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };

static int release_page(struct page *p, int count)
{
  p->flags = 0;
  return count + counter;
}

int factorial(int n)
{
  if (n <= 1)
    return 1;
  return n * factorial(n - 1);
}

int sum(int limit)
{
  int total = 0;
  for (int i = 0; i < limit; i++) {
    int square = i * i;
    total += twice(square);
  }
  {
    long total = 99;
    counter += total;
  }
  return total;
}

int saving_assembly(int);
__attribute__((noinline)) int trapping(int level)
{
  int seen = level;
  asm volatile("ecall" ::: "memory");
  return seen + saving_assembly(level);
}

int main(void)
{
  struct page local = pages[0];
  local.address = sum(10);
  counter = factorial(5);
  local.release(&local, 3);
  call_back(release_page, &local);
  counter = trapping(7);
  return local.flags + (int)ratio;
}
`,
  'list.h': `static inline __attribute__((always_inline)) int thrice(int value)
{
  int copy = value;
  return copy * 3;
}
static inline __attribute__((always_inline)) int twice(int value)
{
  int result = value * 2;
  result += thrice(result);
  return result;
}
struct page;
int call_back(int (*function)(struct page *, int), struct page *p);
`,
  'lib/helper.c': `struct page;
extern int deep(int);
__attribute__((noinline)) int call_back(int (*function)(struct page *, int), struct page *p)
{
  int result = function(p, 1);
  return result + deep(result);
}
int deep(int x) { return x + 1; }
void *memcpy(void *to, const void *from, unsigned long size)
{
  char *out = to;
  for (const char *in = from; size > 0; size--)
    *out++ = *in++;
  return to;
}
`,
  'lib/trap.c': `extern volatile int traps;
volatile int traps;
__attribute__((noinline)) void trap_c(void *frame)
{
  traps++;
  (void)frame;
}
#ifdef C_HANDLER
__attribute__((interrupt("machine"), aligned(4))) void c_handler(void)
{
  trap_c(0);
  unsigned long epc;
  asm volatile("csrr %0, mepc; addi %0, %0, 4; csrw mepc, %0" : "=&r"(epc));
}
#endif
`,
  // Not relaxed: the assembler's own debug information does not follow what the linker removes, and gdb trusts it.
  'start.S': `  .option norelax
  .section .text.start, "ax"
  .globl _start
  .type _start, @function
_start:
  la sp, stack_top
  li t0, 0x6000
  csrs mstatus, t0
  la t0, trap_stack_top
  csrw mscratch, t0
#ifdef C_HANDLER
  la t0, c_handler
#else
  la t0, trap_entry
#endif
  csrw mtvec, t0
  li ra, 0
  li s0, 0
  call main
1:
  wfi
  j 1b
  .size _start, . - _start

  .text
  .globl trap_entry
  .type trap_entry, @function
  .align 2
trap_entry:
#ifdef SWAP
  csrrw sp, mscratch, sp
#endif
  addi sp, sp, -256
  sd ra, 8(sp)
  sd t0, 40(sp)
  sd s0, 64(sp)
  sd a0, 80(sp)
  sd a5, 120(sp)
  sd a4, 112(sp)
#ifdef SWAP
  csrr t0, mscratch
  sd t0, 16(sp)
#endif
  mv a0, sp
  call trap_c
  csrr t0, mepc
  addi t0, t0, 4
  csrw mepc, t0
  ld ra, 8(sp)
  ld t0, 40(sp)
  ld s0, 64(sp)
  ld a0, 80(sp)
  ld a5, 120(sp)
  ld a4, 112(sp)
  addi sp, sp, 256
#ifdef SWAP
  csrrw sp, mscratch, sp
#endif
  mret
  .size trap_entry, . - trap_entry

  .globl leaf_assembly
  .type leaf_assembly, @function
leaf_assembly:
  addi a0, a0, 1
  nop
  ret
  .size leaf_assembly, . - leaf_assembly

  .globl saving_assembly
  .type saving_assembly, @function
saving_assembly:
  addi sp, sp, -16
  sd ra, 8(sp)
  call leaf_assembly
  ld ra, 8(sp)
  addi sp, sp, 16
  ret
  .size saving_assembly, . - saving_assembly
  .bss
  .align 4
  .space 4096
stack_top:
  .space 1024
trap_stack_top:
`,
  'link.ld': `ENTRY(_start)
SECTIONS
{
  . = 0x80000000;
  .text : { *(.text.start) *(.text .text.*) }
  .rodata : { *(.rodata .rodata.* .srodata .srodata.*) }
  .data : { *(.data .data.* .sdata .sdata.*) }
  .bss : { *(.sbss .sbss.*) *(.bss .bss.*) *(COMMON) }
  .eh_frame : { *(.eh_frame) }
  /DISCARD/ : { *(.riscv.attributes .comment) }
}
`,
};
