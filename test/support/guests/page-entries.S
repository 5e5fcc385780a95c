# Writes page-table entries that a test made up, accesses memory through each, and leaves what came of it. The test lays
# out the cases and the tables (see test/fuzz/page-entries.ts, which must agree with the offsets here):
#
#   kind      0 load, 1 store, 2 execute
#   status    mstatus.MPP, SUM and MXR that the access is made with
#   entry     the page-table entry, written to `slot` before the access; `restored` goes there after it
#   address   virtual; stores write `value` there
#   menvcfg
#
# A result is the cause (-1 for none), mtval, the value loaded or the number that the executed page puts in a0, and the
# entry as it is then. All traps come here, to M-mode; loads and stores are made with MPRV.

#define CASE_COUNT 0x80200000     /* how many; the first follows at + 64 */
#define FIRST_RESULT 0x80600000
#define KIND 0
#define STATUS 8
#define ENTRY 16
#define SLOT 24
#define RESTORED 32
#define ADDRESS 40
#define MENVCFG 48
#define VALUE 56
#define SIZE 64
#define CAUSE 0
#define TVAL 8
#define OUTCOME 16
#define AFTER 24

#define TEST_DEVICE 0x100000
#define TEST_PASS 0x5555
#define ROOT_PAGE 0x80100
#define MSTATUS_MPRV 0x20000
#define MENVCFG_CSR 0x30a

.option norvc
.section .text.start, "ax"
.globl _start
_start:
    csrr t0, mhartid
    bnez t0, park
    la t0, trap
    csrw mtvec, t0
    li t0, -1                     # physical memory is open to S and U
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li t0, 8 << 60 | ROOT_PAGE    # Sv39
    csrw satp, t0
    li s0, CASE_COUNT
    ld s2, 0(s0)
    addi s0, s0, SIZE
    li s1, FIRST_RESULT
next:
    beqz s2, done
    ld t0, SLOT(s0)
    ld t1, ENTRY(s0)
    sd t1, 0(t0)
    ld t0, MENVCFG(s0)
    csrw MENVCFG_CSR, t0
    sfence.vma
    li s3, -1                     # cause
    li s4, 0                      # tval
    li a0, 0
    ld a1, ADDRESS(s0)
    ld a2, VALUE(s0)
    ld t0, STATUS(s0)
    ld t1, KIND(s0)
    li t2, 2
    beq t1, t2, execute
    li t2, MSTATUS_MPRV
    or t0, t0, t2
    csrw mstatus, t0
    bnez t1, store
    ld a0, 0(a1)
    j accessed
store:
    sd a2, 0(a1)
    j accessed
execute:
    csrw mstatus, t0
    csrw mepc, a1
    mret

    .balign 4
trap:
    csrr s3, mcause
    csrr s4, mtval
accessed:
    csrw mstatus, zero
    sd s3, CAUSE(s1)
    sd s4, TVAL(s1)
    sd a0, OUTCOME(s1)
    ld t0, SLOT(s0)
    ld t1, 0(t0)
    sd t1, AFTER(s1)
    ld t1, RESTORED(s0)
    sd t1, 0(t0)
    sfence.vma
    addi s0, s0, SIZE
    addi s1, s1, SIZE
    addi s2, s2, -1
    j next
done:
    li t0, TEST_DEVICE
    li t1, TEST_PASS
    sw t1, 0(t0)
park:
    wfi
    j park
