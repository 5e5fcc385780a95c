/* The timer: a tick every 10 ms while it runs. */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>

void timer_start(void);
void timer_stop(void);
void timer_interrupt(void);
/* Ticks since timer_start. */
uint64_t timer_ticks(void);

#endif
