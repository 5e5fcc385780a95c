# The first instructions. Firmware jumps here in S-mode, paging off, with a0 = this hart's id and
# a1 = the device tree's address (SBI specification, "Hart State Management", initial register state).
.cfi_sections .debug_frame

.section .text.start, "ax"
.globl _start
.type _start, @function
_start:
    .cfi_startproc
    .cfi_undefined ra            # the bottom of every call stack: a debugger's unwinding ends here
    la sp, boot_stack_top
    mv fp, zero
    # .bss needs no clearing: loaders zero what a segment has in memory but not in the file.
    call kernel_main             # kernel_main(hart id, device tree) does not return
1:  wfi
    j 1b
    .cfi_endproc
.size _start, . - _start
