#include "trap.h"

#include <stdbool.h>

#include "csr.h"
#include "memory.h"
#include "plic.h"
#include "print.h"
#include "sbi.h"
#include "syscall.h"
#include "timer.h"
#include "uart.h"
#include "vm.h"

extern char trap_entry[];

void trap_initialise(void)
{
    csr_write(sscratch, 0); /* we are in the kernel; see trap.S */
    csr_write(stvec, trap_entry);
}

void wait_for_interrupt(void)
{
    /* wfi ends when an interrupt is pending, taken or not: with interrupts off none can slip in just before it. */
    __asm__ volatile("wfi" ::: "memory");
    csr_set(sstatus, SSTATUS_SIE); /* it is taken here */
    csr_clear(sstatus, SSTATUS_SIE);
}

void panic(const char *reason)
{
    print("panic: ");
    print(reason);
    print("\n");
    sbi_shutdown(SBI_RESET_SYSTEM_FAILURE);
    for (;;)
        __asm__ volatile("wfi");
}

static void unexpected_trap(const struct trap_frame *frame)
{
    print("scause ");
    print_hex(csr_read(scause));
    print(", stval ");
    print_hex(csr_read(stval));
    print(", pc ");
    print_hex(frame->pc);
    print("\n");
    panic("a trap that nobody expected");
}

/* In the demand range a page comes to be when it is first touched; anywhere else a page fault is a bug. */
static bool handle_page_fault(virtual_address address)
{
    if (address < DEMAND_BASE || address >= DEMAND_BASE + DEMAND_SIZE)
        return false;
    print("page fault: nothing at ");
    print_hex(address);
    print(", mapping a page\n");
    vm_map_fresh_page(address);
    return true; /* pc still points at the access: it is made again */
}

static void handle_external_interrupt(void)
{
    uint32_t source = plic_claim();
    if (source == UART_INTERRUPT)
        uart_interrupt();
    if (source != 0)
        plic_complete(source);
}

/* Called by trap.S for every trap. Changing the frame changes what is returned to. */
void trap_handle(struct trap_frame *frame)
{
    switch (csr_read(scause)) {
    case CAUSE_TIMER:
        timer_interrupt();
        return;
    case CAUSE_EXTERNAL:
        handle_external_interrupt();
        return;
    case CAUSE_USER_ECALL:
        frame->pc += 4; /* past the ecall */
        handle_system_call(frame);
        return;
    case CAUSE_LOAD_PAGE_FAULT:
    case CAUSE_STORE_PAGE_FAULT:
        if (handle_page_fault(csr_read(stval)))
            return;
    }
    unexpected_trap(frame);
}
