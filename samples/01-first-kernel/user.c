/*
 * The user program. It runs in U-mode at USER_TEXT_BASE with a page of stack, and reaches the world by system calls
 * only. kernel.ld keeps this file's code and data apart from the kernel's: it must not call into it.
 */
#include "syscall.h"

static uint64_t system_call(enum system_call number, uint64_t arg0, uint64_t arg1)
{
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
    return a0;
}

static uint64_t length_of(const char *text)
{
    uint64_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

/* Entered by user_run; there is nobody to return to. */
__attribute__((noreturn)) void user_main(void)
{
    const char *text = "user: hello from U-mode, by a system call\n";
    uint64_t written = system_call(SYSTEM_CALL_WRITE, (uint64_t)text, length_of(text));
    system_call(SYSTEM_CALL_EXIT, written, 0);
    __builtin_unreachable();
}
