/* System calls: `ecall` in user mode with the number in a7, arguments from a0 on; the result comes back in a0. */
#ifndef SYSCALL_H
#define SYSCALL_H

#include <stdint.h>

enum system_call {
    SYSTEM_CALL_WRITE = 1, /* write(text, length): to the serial port; returns the length, or -1 */
    SYSTEM_CALL_EXIT = 2,  /* exit(status): ends the program */
};

struct trap_frame;
void handle_system_call(struct trap_frame *frame);

#endif
