# The way into the kernel and out of it.
#
# sscratch tells where a trap came from: in user mode it holds the kernel's stack pointer, in the kernel 0.
#
# The .cfi_ lines tell a debugger how to find the interrupted code's registers from here, so that a call stack shows
# what was interrupted above the handler. Unwinding normally yields a return address in ra; a trap has none, the
# pc comes from sepc and ra belongs to the interrupted code. DWARF has column 64 for this ("alternate frame
# return column", RISC-V ELF psABI, "DWARF Register Numbers"). CSRs are columns from 4096 on.
#include "trap.h"

#define PC_COLUMN 64
#define SSCRATCH_COLUMN 4096 + 0x140
#define SEPC_COLUMN 4096 + 0x141

#define STATUS_SPP 0x100         /* sstatus: the trap came from the kernel, and sret returns there */

.cfi_sections .debug_frame

# Does `\do number` for every register the frame holds in the same way: all but x0 (always zero) and x2 (sp).
.macro each_register do
    .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \do \n
    .endr
.endm

.macro save n
    sd x\n, \n * 8(sp)
    .cfi_rel_offset \n, \n * 8
.endm

.macro load n
    ld x\n, \n * 8(sp)
    .cfi_restore \n
.endm

.text
.balign 4                        # stvec's low bits are its mode
.globl trap_entry
.type trap_entry, @function
trap_entry:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column PC_COLUMN
    .cfi_def_cfa sp, 0
    .cfi_register PC_COLUMN, SEPC_COLUMN
    csrrw sp, sscratch, sp       # from user mode: sp = the kernel's stack; from the kernel: 0
    .cfi_register sp, SSCRATCH_COLUMN
    bnez sp, 1f
    csrr sp, sscratch            # from the kernel: stay on its stack
1:  addi sp, sp, -TRAP_FRAME_SIZE
    .cfi_adjust_cfa_offset TRAP_FRAME_SIZE

    each_register save
    csrrw t0, sscratch, zero     # the interrupted sp; from here on we are in the kernel
    sd t0, 2 * 8(sp)
    .cfi_rel_offset sp, 2 * 8
    csrr t0, sepc
    csrr t1, sstatus
    sd t0, TRAP_FRAME_PC(sp)
    .cfi_rel_offset PC_COLUMN, TRAP_FRAME_PC
    sd t1, TRAP_FRAME_STATUS(sp)

    mv a0, sp
    call trap_handle             # trap_handle(struct trap_frame *)

    ld t0, TRAP_FRAME_PC(sp)
    ld t1, TRAP_FRAME_STATUS(sp)
    csrw sepc, t0
    csrw sstatus, t1
    .cfi_register PC_COLUMN, SEPC_COLUMN
    andi t1, t1, STATUS_SPP      # back to the kernel: sscratch stays 0
    bnez t1, 2f
    addi t0, sp, TRAP_FRAME_SIZE
    csrw sscratch, t0
2:  each_register load
    ld sp, 2 * 8(sp)
    .cfi_def_cfa sp, 0
    .cfi_restore sp
    sret
    .cfi_endproc
.size trap_entry, . - trap_entry

# Registers that a function must preserve wait on the kernel's stack from user_run until user_leave.
.macro each_preserved do
    .irp n, 1,8,9,18,19,20,21,22,23,24,25,26,27
    \do \n
    .endr
.endm

.macro clear n
    li x\n, 0
.endm

#define PRESERVED_SIZE 224

# user_run(entry, stack top): into user mode as if returning from a trap.
.globl user_run
.type user_run, @function
user_run:
    .cfi_startproc
    addi sp, sp, -PRESERVED_SIZE
    .cfi_adjust_cfa_offset PRESERVED_SIZE
    each_preserved save
    la t0, user_run_sp
    sd sp, 0(t0)
    csrw sscratch, sp            # the next trap starts its frame below what was just saved
    csrw sepc, a0
    li t0, STATUS_SPP
    csrc sstatus, t0             # sret goes to user mode
    mv sp, a1
    .cfi_undefined ra            # the kernel's stack is left: no caller can be found from here
    each_register clear          # no register tells the user what the kernel was doing
    sret
    .cfi_endproc
.size user_run, . - user_run

# user_leave(status): back on the stack as user_run left it, and home.
.globl user_leave
.type user_leave, @function
user_leave:
    .cfi_startproc
    la t0, user_run_sp
    ld sp, 0(t0)
    .cfi_def_cfa sp, PRESERVED_SIZE
    each_preserved load
    addi sp, sp, PRESERVED_SIZE
    .cfi_adjust_cfa_offset -PRESERVED_SIZE
    ret                          # returns from user_run, with the status still in a0
    .cfi_endproc
.size user_leave, . - user_leave

.bss
.balign 8
user_run_sp: .zero 8
