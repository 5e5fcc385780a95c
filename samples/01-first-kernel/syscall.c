#include "syscall.h"

#include <stdbool.h>

#include "csr.h"
#include "memory.h"
#include "trap.h"
#include "uart.h"

/* Whether all of [start, start + length) is the user program's. Never trust an address that comes from below. */
static bool is_user_memory(virtual_address start, uint64_t length)
{
    uint64_t text_size = (uint64_t)(user_image_end - user_image);
    if (start >= USER_TEXT_BASE && start - USER_TEXT_BASE < text_size)
        return length <= text_size - (start - USER_TEXT_BASE);
    if (start >= USER_STACK_BASE && start - USER_STACK_BASE < PAGE_SIZE)
        return length <= PAGE_SIZE - (start - USER_STACK_BASE);
    return false;
}

static uint64_t write(virtual_address text, uint64_t length)
{
    if (!is_user_memory(text, length))
        return (uint64_t)-1;
    /* User pages are closed to the kernel but for the time that it means to use them. */
    csr_set(sstatus, SSTATUS_SUM);
    for (uint64_t i = 0; i < length; i++) {
        char c = ((const char *)text)[i];
        if (c == '\n')
            uart_put('\r');
        uart_put(c);
    }
    csr_clear(sstatus, SSTATUS_SUM);
    return length;
}

void handle_system_call(struct trap_frame *frame)
{
    switch (frame->a7) {
    case SYSTEM_CALL_WRITE:
        frame->a0 = write(frame->a0, frame->a1);
        return;
    case SYSTEM_CALL_EXIT:
        user_leave(frame->a0);
    default:
        frame->a0 = (uint64_t)-1;
    }
}
