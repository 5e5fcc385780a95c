/* The device tree: what the firmware tells about the machine. */
#ifndef DEVICE_TREE_H
#define DEVICE_TREE_H

#include <stddef.h>

/* Copies /chosen's `bootargs` (the `append` of the launch configuration), or nothing if there is none. */
void device_tree_boot_arguments(const void *blob, char *text, size_t size);

#endif
