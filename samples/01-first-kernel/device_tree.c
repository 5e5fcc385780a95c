#include "device_tree.h"

#include <stdbool.h>
#include <stdint.h>

#include "string.h"

/*
 * A flattened device tree (Devicetree Specification, chapter 5): a header, a block of names, and a block of tokens
 * that begin and end nodes and give their properties. All numbers are big-endian.
 */
#define MAGIC 0xd00dfeed

enum token { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOTHING = 4, END = 9 };

/* Indices of the header's 32-bit fields. */
enum header_field { HEADER_MAGIC = 0, HEADER_STRUCTURE_OFFSET = 2, HEADER_NAMES_OFFSET = 3 };

static uint32_t big_endian(const uint32_t *field)
{
    const uint8_t *bytes = (const uint8_t *)field;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The token after a node's name or a property's value, which are padded to whole words. */
static const uint32_t *skip(const uint32_t *token, size_t bytes)
{
    return token + (bytes + 3) / 4;
}

void device_tree_boot_arguments(const void *blob, char *text, size_t size)
{
    const uint32_t *header = blob;
    text[0] = '\0';
    if (big_endian(&header[HEADER_MAGIC]) != MAGIC)
        return;
    const uint32_t *token = header + big_endian(&header[HEADER_STRUCTURE_OFFSET]) / 4;
    const char *names = (const char *)blob + big_endian(&header[HEADER_NAMES_OFFSET]);
    bool in_chosen = false;
    for (;;) {
        switch (big_endian(token++)) {
        case BEGIN_NODE: {
            const char *name = (const char *)token;
            in_chosen = strcmp(name, "chosen") == 0;
            token = skip(token, strlen(name) + 1);
            break;
        }
        case PROPERTY: {
            uint32_t length = big_endian(token++);
            const char *name = names + big_endian(token++);
            if (in_chosen && strcmp(name, "bootargs") == 0 && length <= size) {
                memcpy(text, token, length); /* with its closing zero */
                return;
            }
            token = skip(token, length);
            break;
        }
        case END_NODE:
            in_chosen = false;
            break;
        case NOTHING:
            break;
        default:
            return;
        }
    }
}
