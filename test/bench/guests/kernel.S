# Traps out of U-mode and returns to it. While user code runs, xscratch holds its frame; see `struct frame` in kernel.h.
#ifdef PAGED
#define XSCRATCH sscratch
#define XTVEC stvec
#define XEPC sepc
#define XCAUSE scause
#define XTVAL stval
#define XRET sret
#else
#define XSCRATCH mscratch
#define XTVEC mtvec
#define XEPC mepc
#define XCAUSE mcause
#define XTVAL mtval
#define XRET mret
#endif

    .text
    .globl enter_user
enter_user:
    addi sp, sp, -112
    .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd s\at, 8 * \at(sp)
    .endr
    sd ra, 96(sp)
    la t0, kernel_sp
    sd sp, 0(t0)
    la t0, user_vector
    csrw XTVEC, t0

resume:                         # a0: the frame
    csrw XSCRATCH, a0
    ld t0, 0(a0)
    csrw XEPC, t0
    .irp at, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld x\at, 8 + 8 * \at(a0)
    .endr
    ld a0, 8 + 8 * 10(a0)
    XRET

    .weak user_vector           # a program may have a handler of its own before this one
    .set user_vector, trap_entry
    .globl trap_entry
    .align 2
trap_entry:
    csrrw a0, XSCRATCH, a0
    .irp at, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd x\at, 8 + 8 * \at(a0)
    .endr
    csrr t0, XSCRATCH
    sd t0, 8 + 8 * 10(a0)
    csrr t0, XEPC
    sd t0, 0(a0)
    la t0, kernel_sp
    ld sp, 0(t0)
    csrr a1, XCAUSE
    csrr a2, XTVAL
    call on_trap
    bnez a0, resume

    la t0, unexpected_trap      # back to the caller of enter_user; the kernel itself takes no traps
    csrw XTVEC, t0
    .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ld s\at, 8 * \at(sp)
    .endr
    ld ra, 96(sp)
    addi sp, sp, 112
    ret

    .bss
    .align 3
kernel_sp:
    .dword 0
