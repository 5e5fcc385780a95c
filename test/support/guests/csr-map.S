# Reads every CSR number in M-, S- and U-mode, with counters, state enables and the environment closed to lower levels and
# then open to them, and notes which reads are illegal (see test/isa/csr-map.test.ts, which must agree). STATE_ENABLES is
# defined where the machine has Smstateen.

#define RESULTS 0x80100000        /* a byte for each of 4096 numbers, 1 when it is illegal; six times */
#define PASSES 6
#define TEST_DEVICE 0x100000
#define TEST_PASS 0x5555
#define ILLEGAL 2
#define MSTATUS_FS 0x6000

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
    li s0, RESULTS
    li s1, 0
pass:
    li t0, 3
    li t1, 0
    li t2, 0
    blt s1, t0, closed
    li t1, -1
    li t2, MSTATUS_FS
closed:
    csrw mcounteren, t1
    csrw scounteren, t1
    csrw 0x30a, t1                # menvcfg
#ifdef STATE_ENABLES
    csrw 0x30c, t1
    csrw 0x30d, t1
    csrw 0x30e, t1
    csrw 0x30f, t1
#endif
    rem t3, s1, t0                # 0, 1, 2: M, S, U
    li t1, 0x1800
    beqz t3, enter
    li t1, 0x0800
    addi t3, t3, -1
    beqz t3, enter
    li t1, 0
enter:
    or t1, t1, t2
    csrw mstatus, t1
    la t0, reads
    csrw mepc, t0
    mret

    .balign 4
trap:
    csrr t0, mcause
    li t1, ILLEGAL
    bne t0, t1, passed            # the ecall behind the reads
    csrr t0, mepc
    la t1, reads
    sub t1, t0, t1
    srli t1, t1, 2
    add t1, t1, s0
    li t2, 1
    sb t2, 0(t1)
    addi t0, t0, 4
    csrw mepc, t0
    mret
passed:
    li t0, 4096
    add s0, s0, t0
    addi s1, s1, 1
    li t0, PASSES
    blt s1, t0, pass

    li t0, TEST_DEVICE
    li t1, TEST_PASS
    sw t1, 0(t0)
park:
    wfi
    j park

    .balign 4
reads:
    .set number, 0
    .rept 4096
    .word (number << 20) | (2 << 12) | (10 << 7) | 0x73    # csrr a0, number
    .set number, number + 1
    .endr
    ecall
