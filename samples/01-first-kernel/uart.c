#include "uart.h"

#include <stddef.h>
#include <stdint.h>

#include "memory.h"

/* The 16550's registers, one byte each. The first is two: what is written is sent, what is read was received. */
enum uart_register {
    UART_DATA = 0,
    UART_INTERRUPT_ENABLE = 1,
    UART_FIFO_CONTROL = 2,
    UART_LINE_STATUS = 5,
};

#define INTERRUPT_RECEIVED 0x01 /* interrupt enable: a character has arrived */
#define FIFO_ENABLE 0x01
#define STATUS_RECEIVED 0x01 /* line status: a character waits to be read */
#define STATUS_ROOM 0x20     /* line status: the transmitter can take a character */

static volatile uint8_t *const uart = (volatile uint8_t *)UART_BASE;

/* Characters typed but not yet asked for. The interrupt writes at `received`, uart_get reads at `taken`. */
static char buffer[64];
static volatile size_t received, taken;

void uart_put(char c)
{
    while ((uart[UART_LINE_STATUS] & STATUS_ROOM) == 0) {
    }
    uart[UART_DATA] = (uint8_t)c;
}

void uart_enable_input(void)
{
    uart[UART_FIFO_CONTROL] = FIFO_ENABLE;
    uart[UART_INTERRUPT_ENABLE] = INTERRUPT_RECEIVED;
}

void uart_interrupt(void)
{
    while (uart[UART_LINE_STATUS] & STATUS_RECEIVED) {
        char c = (char)uart[UART_DATA];
        if (received - taken < sizeof buffer)
            buffer[received++ % sizeof buffer] = c;
    }
}

bool uart_get(char *c)
{
    if (taken == received)
        return false;
    *c = buffer[taken++ % sizeof buffer];
    return true;
}
