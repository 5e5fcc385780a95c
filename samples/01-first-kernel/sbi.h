/*
 * Calls to the firmware (RISC-V Supervisor Binary Interface specification). An `ecall` in S-mode with the extension
 * in a7, the function in a6 and arguments from a0 on; the answer is an error code in a0 and a value in a1.
 */
#ifndef SBI_H
#define SBI_H

#include <stdint.h>

struct sbi_result {
    int64_t error; /* 0 is success */
    uint64_t value;
};

enum sbi_extension {
    SBI_EXTENSION_TIME = 0x54494d45,         /* "TIME" */
    SBI_EXTENSION_SYSTEM_RESET = 0x53525354, /* "SRST" */
};

enum sbi_reset_reason { SBI_RESET_NO_REASON = 0, SBI_RESET_SYSTEM_FAILURE = 1 };

static inline struct sbi_result sbi_call(enum sbi_extension extension, uint64_t function, uint64_t arg0, uint64_t arg1)
{
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a6 __asm__("a6") = function;
    register uint64_t a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
    return (struct sbi_result){.error = (int64_t)a0, .value = a1};
}

/* Raises the timer interrupt when `time` reaches the deadline, and takes a pending one back until then. */
static inline void sbi_set_timer(uint64_t deadline)
{
    sbi_call(SBI_EXTENSION_TIME, 0, deadline, 0);
}

/* Powers the machine off. Comes back only if the firmware cannot. */
static inline void sbi_shutdown(enum sbi_reset_reason reason)
{
    sbi_call(SBI_EXTENSION_SYSTEM_RESET, 0, 0, reason);
}

#endif
