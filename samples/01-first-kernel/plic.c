#include "plic.h"

typedef volatile uint32_t device_register;

/* This hart's context: the priority threshold, then the claim and complete register. */
static device_register *context;

void plic_enable(uint64_t hart, uint32_t source)
{
    device_register *priorities = (device_register *)PLIC_BASE;
    device_register *enables = (device_register *)(PLIC_ENABLES + 0x80 * PLIC_S_CONTEXT(hart));
    context = (device_register *)PLIC_CONTEXT(hart);
    priorities[source] = 1; /* 0 means never */
    enables[source / 32] |= 1u << source % 32;
    context[0] = 0; /* every priority above 0 gets through */
}

uint32_t plic_claim(void)
{
    return context[1];
}

void plic_complete(uint32_t source)
{
    context[1] = source;
}
