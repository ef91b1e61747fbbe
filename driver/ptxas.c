/* Reading what `ptxas -v` says.
 *
 *     ptxas info    : Compiling entry function 'scan_0' for 'sm_90a'
 *     ptxas info    : Function properties for scan_0
 *         0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
 *     ptxas info    : Used 32 registers, used 1 barriers, 400 bytes cmem[0]
 *     ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized ...
 *
 * A spill is slow, not wrong; so are the C75xx remarks. Both become warnings. Of kernels that the GPU's driver will
 * assemble there is nothing to say but their names, which stand in the PTX:
 *
 *     .visible .entry scan_0(
 */
#include <stdio.h>
#include <string.h>

#include "driver/build.h"

typedef struct Kernel {
    char name[256];
    unsigned long stack, stores, loads, registers;
    bool open;
} Kernel;

static void close_kernel(Kernel *kernel, const char *target, PlaitText *kernels, PlaitText *warnings)
{
    if (!kernel->open) return;
    plait_text_printf(kernels, "%s{\"target\": \"%s\", \"kernel\": ", kernels->length ? ", " : "", target);
    plait_text_json_string(kernels, kernel->name);
    plait_text_printf(kernels, ", \"registers\": %lu, \"stack\": %lu, \"spill_stores\": %lu, \"spill_loads\": %lu}",
                      kernel->registers, kernel->stack, kernel->stores, kernel->loads);
    if (kernel->stores || kernel->loads)
        plait_text_printf(warnings, "%s on %s does not fit into registers: %lu bytes spilled, %lu bytes reloaded\n",
                          kernel->name, target, kernel->stores, kernel->loads);
    *kernel = (Kernel){0};
}

static void read_line(const char *line, Kernel *kernel)
{
    unsigned long stack, stores, loads;
    const char *used = strstr(line, ": Used ");
    if (sscanf(line, " %lu bytes stack frame, %lu bytes spill stores, %lu bytes spill loads", &stack, &stores,
               &loads) == 3) {
        kernel->stack = stack;
        kernel->stores = stores;
        kernel->loads = loads;
    } else if (used) {
        sscanf(used, ": Used %lu registers", &kernel->registers);
    }
}

void plait_ptxas_read(const char *log, const char *target, PlaitText *kernels, PlaitText *warnings)
{
    static const char entry[] = "Compiling entry function '";
    Kernel kernel = {0};
    while (*log) {
        char line[1024];
        size_t length = strcspn(log, "\n"), kept = length < sizeof line - 1 ? length : sizeof line - 1;
        memcpy(line, log, kept);
        line[kept] = '\0';
        const char *name = strstr(line, entry);
        if (name) {
            close_kernel(&kernel, target, kernels, warnings);
            kernel.open = sscanf(name + sizeof entry - 1, "%255[^']", kernel.name) == 1;
        } else if (strstr(line, "(C75") || strstr(line, "warning")) {
            plait_text_printf(warnings, "%s: %s\n", target, line);
        } else {
            read_line(line, &kernel);
        }
        log += length + (log[length] == '\n');
    }
    close_kernel(&kernel, target, kernels, warnings);
}

void plait_ptxas_read_late(const char *ptx, const char *target, PlaitText *kernels)
{
    static const char entry[] = ".entry ";
    while ((ptx = strstr(ptx, entry))) {
        char name[256] = "";
        ptx += sizeof entry - 1;
        sscanf(ptx, "%255[^(]", name);
        plait_text_printf(kernels, "%s{\"target\": \"%s\", \"kernel\": ", kernels->length ? ", " : "", target);
        plait_text_json_string(kernels, name);
        plait_text_add(kernels, "}");
    }
}
