# Runs random instruction sequences and leaves what each did in memory. The test lays out records (see
# test/fuzz/sequence-records.ts, which must agree with the offsets here), the same on every machine that runs them:
#
#   x        where x0 would be: fcsr; then x1 to x31     } before the sequence: what it starts with;
#   f        f0 to f31                                    } after it: what it left
#   code     address of its first instruction; it ends with an ecall
#   status   mstatus.FS and, as MPP, the privilege it runs with, in place
#   sscratch, satp  what it starts with
#   environment  the low byte of menvcfg, and in the next byte that of senvcfg
#   traps    how many it took, then cause, pc - code and tval of the first ones
#
# Traps come here, to M-mode. A trap skips the instruction that caused it.

#define RECORD_X 0
#define RECORD_F 256
#define RECORD_CODE 512
#define RECORD_STATUS 520
#define RECORD_SSCRATCH 528
#define RECORD_SATP 536
#define RECORD_TRAPS 544
#define RECORD_TRAP_LIST 552
#define RECORD_TRAPS_MAX 19
#define RECORD_ENVIRONMENT 1008
#define RECORD_SIZE 1024

#define RECORD_COUNT 0x82000000   /* how many records; the first follows at + 0x1000 */
#define FIRST_RECORD 0x82001000

#define TEST_DEVICE 0x100000
#define TEST_PASS 0x5555

#define MSTATUS_MPP 0x1800
#define MSTATUS_FS 0x6000
#define MSTATUS_MPRV 0x20000
#define CAUSE_FIRST_ECALL 8       /* 8 to 11, by privilege */
#define PMP_ALL 0x1f              /* NAPOT, readable, writable, executable */

.macro each_x do                 # all but x31, which is their base
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    \do \n
    .endr
.endm
.macro each_f do
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \do \n
    .endr
.endm
.macro load_x n
    ld x\n, RECORD_X + 8 * \n(x31)
.endm
.macro save_x n
    sd x\n, RECORD_X + 8 * \n(x31)
.endm
.macro load_f n
    fld f\n, RECORD_F + 8 * \n(x31)
.endm
.macro save_f n
    fsd f\n, RECORD_F + 8 * \n(x31)
.endm

.section .text.start, "ax"
.globl _start
_start:
    csrr x5, mhartid
    bnez x5, park
    la x5, trap
    csrw mtvec, x5
    li x5, -1                    # physical memory is open to S and U
    csrw pmpaddr0, x5
    li x5, PMP_ALL
    csrw pmpcfg0, x5
    li x31, FIRST_RECORD

start_record:
    ld x5, RECORD_CODE(x31)
    csrw mepc, x5
    ld x5, RECORD_SSCRATCH(x31)
    csrw sscratch, x5
    li x5, MSTATUS_FS
    csrs mstatus, x5
    ld x5, RECORD_X(x31)
    csrw fcsr, x5
    each_f load_f
    li x5, 0xff
    csrc menvcfg, x5
    csrc senvcfg, x5
    lbu x5, RECORD_ENVIRONMENT(x31)
    csrs menvcfg, x5
    lbu x5, RECORD_ENVIRONMENT + 1(x31)
    csrs senvcfg, x5
    ld x5, RECORD_SATP(x31)
    csrw satp, x5
    sfence.vma
    li x5, MSTATUS_FS | MSTATUS_MPP
    csrc mstatus, x5
    ld x5, RECORD_STATUS(x31)
    csrs mstatus, x5
    la x5, never_reserved
    sc.w x6, x5, (x5)            # fails, and drops the reservation that the last sequence may have left
    csrw mscratch, x31
    each_x load_x
    ld x31, RECORD_X + 8 * 31(x31)
    mret

.balign 4
trap:
    csrrw x31, mscratch, x31
    save_x 5
    save_x 6
    save_x 7
    csrr x5, mscratch
    sd x5, RECORD_X + 8 * 31(x31)
    csrr x5, mcause
    addi x5, x5, -CAUSE_FIRST_ECALL
    sltiu x5, x5, 4
    bnez x5, end_record

    ld x5, RECORD_TRAPS(x31)
    addi x6, x5, 1
    sd x6, RECORD_TRAPS(x31)
    li x6, RECORD_TRAPS_MAX
    bgeu x5, x6, 1f
    slli x6, x5, 4
    slli x5, x5, 3
    add x6, x6, x5
    add x6, x6, x31              # the trap's entry, 24 bytes each
    csrr x5, mcause
    sd x5, RECORD_TRAP_LIST(x6)
    csrr x5, mepc
    ld x7, RECORD_CODE(x31)
    sub x5, x5, x7
    sd x5, RECORD_TRAP_LIST + 8(x6)
    csrr x5, mtval
    sd x5, RECORD_TRAP_LIST + 16(x6)
1:
    csrr x5, mepc                # skip it: 4 bytes when the low bits are 11, else 2
    li x7, MSTATUS_MPRV          # its address is one of the interrupted privilege
    csrs mstatus, x7
    lhu x6, 0(x5)
    csrc mstatus, x7
    not x6, x6
    andi x6, x6, 3
    addi x5, x5, 2
    bnez x6, 2f
    addi x5, x5, 2
2:  csrw mepc, x5
    csrw mscratch, x31
    load_x 5
    load_x 6
    load_x 7
    ld x31, RECORD_X + 8 * 31(x31)
    mret

end_record:                      # x5, x6, x7 and x31 are in the record already
    csrw mscratch, x5
    .irp n, 1,2,3,4,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    save_x \n
    .endr
    li x5, MSTATUS_FS
    csrs mstatus, x5
    csrr x5, fcsr
    sd x5, RECORD_X(x31)
    each_f save_f
    csrr x5, sscratch
    sd x5, RECORD_SSCRATCH(x31)
    addi x31, x31, RECORD_SIZE

    la x5, done
    ld x6, 0(x5)
    addi x6, x6, 1
    sd x6, 0(x5)
    li x7, RECORD_COUNT
    ld x7, 0(x7)
    bltu x6, x7, start_record
    li x5, TEST_DEVICE
    li x6, TEST_PASS
    sw x6, 0(x5)
park:
    wfi
    j park

.data
.balign 8
done: .dword 0
never_reserved: .dword 0
