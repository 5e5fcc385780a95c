/*
 * A first kernel: it says hello, turns paging on, handles a page fault, counts timer ticks, runs a program in user
 * mode, and powers off. README.md says what to try with it in the debugger.
 */
#include <stdint.h>

#include "csr.h"
#include "device_tree.h"
#include "memory.h"
#include "plic.h"
#include "print.h"
#include "sbi.h"
#include "string.h"
#include "timer.h"
#include "trap.h"
#include "uart.h"
#include "vm.h"

void user_main(void);

static void touch_unmapped_page(void)
{
    volatile uint64_t *word = (volatile uint64_t *)(DEMAND_BASE + 0x1230);
    *word = 1234; /* faults: step into it and you are in trap_entry */
    print("page fault: handled, the word is ");
    print_decimal(*word);
    print("\n");
}

static void count_ticks(uint64_t count)
{
    timer_start();
    for (uint64_t seen = 0; seen < count;) {
        wait_for_interrupt();
        if (timer_ticks() == seen)
            continue;
        seen = timer_ticks();
        print("timer: tick ");
        print_decimal(seen);
        print("\n");
    }
    timer_stop();
}

static void run_user_program(void)
{
    uint64_t status = user_run((uint64_t)user_main, USER_STACK_BASE + PAGE_SIZE);
    print("user: exited with status ");
    print_decimal(status);
    print("\n");
}

/* Sends back what is typed, until the end of the line. */
static void echo_line(uint64_t hart)
{
    print("type a line: ");
    plic_enable(hart, UART_INTERRUPT);
    csr_set(sie, INTERRUPT_EXTERNAL);
    uart_enable_input();
    for (char c = '\0'; c != '\r' && c != '\n';) {
        while (!uart_get(&c))
            wait_for_interrupt();
        if (c != '\r' && c != '\n')
            uart_put(c);
    }
    print("\n");
}

/* From start.S. */
void kernel_main(uint64_t hart, const void *device_tree)
{
    char boot_arguments[64];
    print("hartscope sample: hello from S-mode\n");
    device_tree_boot_arguments(device_tree, boot_arguments, sizeof boot_arguments);
    trap_initialise();

    vm_enable(hart);
    print("paging: on, three levels (Sv39)\n");

    touch_unmapped_page();
    count_ticks(3);
    run_user_program();
    if (strcmp(boot_arguments, "echo") == 0)
        echo_line(hart);

    print("hartscope sample: done, powering off\n");
    sbi_shutdown(SBI_RESET_NO_REASON);
    panic("the firmware cannot power off");
}
