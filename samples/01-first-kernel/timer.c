#include "timer.h"

#include "csr.h"
#include "sbi.h"

/* `time` counts at 10 MHz on this board. */
#define TICK_INTERVAL 100000

static volatile uint64_t ticks;
static uint64_t next_tick;

void timer_start(void)
{
    ticks = 0;
    next_tick = csr_read(time) + TICK_INTERVAL;
    sbi_set_timer(next_tick);
    csr_set(sie, INTERRUPT_TIMER);
}

void timer_stop(void)
{
    csr_clear(sie, INTERRUPT_TIMER);
    sbi_set_timer(UINT64_MAX);
}

void timer_interrupt(void)
{
    ticks++;
    next_tick += TICK_INTERVAL; /* from the last deadline, not from now: lateness does not add up */
    sbi_set_timer(next_tick);
}

uint64_t timer_ticks(void)
{
    return ticks;
}
