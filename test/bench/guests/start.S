# Entry of every benchmark guest, on one hart in M-mode. The bare build stays there with translation off. The paged build
# makes page tables, enters S-mode at the kernel's virtual addresses, and leaves a handler for the timer behind in M-mode.
    .section .text.start, "ax"
    .globl _start
_start:
    csrr t0, mhartid
    bnez t0, park
    li t0, 0x6000               # mstatus.FS = dirty: the floating-point unit is on
    csrs mstatus, t0
    li t0, -1                   # PMP entry 0: all of memory, for every mode
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li t0, -1
    csrw mcounteren, t0
    la sp, stack_top
    la t0, bss_start
    la t1, bss_end
1:  bgeu t0, t1, 2f
    sd zero, 0(t0)
    addi t0, t0, 8
    j 1b
2:
#ifdef PAGED
    la t0, machine_trap
    csrw mtvec, t0
    la t0, machine_save
    csrw mscratch, t0
    li t0, 0xb1ff               # every exception is S-mode's, but for its own environment calls
    csrw medeleg, t0
    li t0, 0x222
    csrw mideleg, t0
    call build_page_tables      # at physical addresses, as all code up to here
    csrw satp, a0
    sfence.vma
    li t0, 0x1800               # mstatus.MPP = S
    csrc mstatus, t0
    li t0, 0x0800
    csrs mstatus, t0
    la t0, supervisor
    li t1, 0xffffffc000000000
    add t0, t0, t1
    csrw mepc, t0
    mret

    .align 2
supervisor:
    li t0, -1
    csrw scounteren, t0
    la t0, unexpected_trap
    csrw stvec, t0
    la sp, stack_top            # again, for now it is a virtual address
#else
    la t0, unexpected_trap
    csrw mtvec, t0
#endif
    call main
    call finish
park:
    wfi
    j park

# A guest that has no use for traps fails with 64 and the cause.
    .align 2
    .globl unexpected_trap
unexpected_trap:
#ifdef PAGED
    csrr a0, scause
#else
    csrr a0, mcause
#endif
    andi a0, a0, 63
    addi a0, a0, 64
    call finish

#ifdef PAGED
# What firmware does for a kernel: it sets the timer (an environment call with the time in a0) and hands its interrupt on.
    .align 2
machine_trap:
    csrrw t0, mscratch, t0
    sd t1, 0(t0)
    csrr t1, mcause
    bltz t1, timer
    addi t1, t1, -9             # environment call from S-mode
    bnez t1, machine_failed
    li t1, 0x02004000           # mtimecmp of hart 0
    sd a0, 0(t1)
    li t1, 0x20                 # STIP off, MTIE on
    csrc mip, t1
    li t1, 0x80
    csrs mie, t1
    csrr t1, mepc
    addi t1, t1, 4
    csrw mepc, t1
    j 1f
timer:
    li t1, 0x80                 # MTIE off, STIP on
    csrc mie, t1
    li t1, 0x20
    csrs mip, t1
1:  ld t1, 0(t0)
    csrrw t0, mscratch, t0
    mret
machine_failed:
    li t0, 0x100000
    li t1, 0x7f3333
    sw t1, 0(t0)
    j park

    .bss
    .align 3
machine_save:
    .dword 0
#endif
