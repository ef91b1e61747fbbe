/* `plait explain`: the report as text, as JSON and as a graph. */
#include "driver/explain.h"

#include <stdio.h>
#include <string.h>

/* Every line of `lines` behind an indent of so many blanks. */
static void print_detail(const char *lines, uint32_t indent, PlaitText *text)
{
    while (*lines) {
        size_t length = strcspn(lines, "\n");
        plait_text_printf(text, "%*s", (int)indent, "");
        plait_text_add_bytes(text, lines, length);
        plait_text_add(text, "\n");
        lines += length + (lines[length] == '\n');
    }
}

/* Stages with their numbers, those inside a scan beneath it: 2, 2.1, 2.1.1. `around`: the number of the scan around
 * them and a dot, or "". */
static void print_numbered(const PlaitStageList *stages, bool detail, const char *around, PlaitText *text)
{
    enum { INDENT = 6, KIND = 10 };
    for (uint32_t i = 0; i < stages->count; i++) {
        const PlaitStageFacts *stage = &stages->data[i];
        char number[64];
        int length = snprintf(number, sizeof number, "%s%u", around, i + 1), before = (int)strlen(around) * 2;
        int width = before + (length > INDENT ? length : INDENT);
        plait_text_printf(text, "%*s  %-7s %s", width, number, stage->kind, stage->text);
        if (stage->line) plait_text_printf(text, " (line %u)", stage->line);
        plait_text_add(text, "\n");
        if (detail) print_detail(stage->detail, (uint32_t)width + KIND, text);
        snprintf(number + length, sizeof number - (size_t)length, ".");
        print_numbered(&stage->inside, detail, number, text);
    }
}

/* `detail`: the classes of scans too. */
static void print_stages(const PlaitStageList *stages, bool detail, PlaitText *text)
{
    print_numbered(stages, detail, "", text);
}

static void print_flows(const char *what, const PlaitFlows *flows, PlaitText *text)
{
    plait_text_printf(text, "        %s", what);
    for (uint32_t i = 0; i < flows->count; i++)
        plait_text_printf(text, "%s%s %s", i ? ", " : " ", flows->data[i].name, flows->data[i].type);
    plait_text_add(text, flows->count ? "\n" : " nothing\n");
}

/* A count in the unit that leaves digits before its point: "3.998 G", "12.300 K", "64". */
static void print_count(double count, const char *of, PlaitText *text)
{
    static const struct {
        double size;
        const char *name;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "K"}};
    for (uint32_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (count < units[i].size) continue;
        plait_text_printf(text, "%.3f %s %s", count / units[i].size, units[i].name, of);
        return;
    }
    plait_text_printf(text, "%.0f %s", count, of);
}

/* "3.998 G operations and 120.000 M functions" */
static void print_work(const PlaitCost *cost, PlaitText *text)
{
    print_count(cost->operations, "operations", text);
    if (cost->functions <= 0) return;
    plait_text_add(text, " and ");
    print_count(cost->functions, "functions", text);
}

static void print_cost(const PlaitOperatorFacts *facts, PlaitText *text)
{
    const PlaitCost *cost = &facts->cost;
    PlaitFloor floor = plait_floor(cost, &facts->peaks);
    plait_text_printf(text, "  cost at %s\n", *facts->sizes ? facts->sizes : "its static sizes");
    plait_text_printf(text, "    inputs and outputs %.3f MB; the kernels move %.3f MB\n    ", cost->bytes * 1e-6,
                      facts->cpu.cost.bytes * 1e-6);
    print_work(cost, text);
    plait_text_printf(text, ", %.1f operations a byte; the kernels do ",
                      cost->bytes > 0 ? cost->operations / cost->bytes : 0);
    print_work(&facts->cpu.cost, text);
    plait_text_add(text, "\n");
    if (facts->peaks.bytes > 0 && facts->peaks.operations > 0)
        plait_text_printf(
            text,
            "    floor %.3f ms on this CPU, set by %s: memory %.3f ms at %.1f GB/s, arithmetic %.3f ms at "
            "%.1f G operations/s\n",
            floor.seconds * 1e3, floor.bound, cost->bytes / facts->peaks.bytes * 1e3, facts->peaks.bytes * 1e-9,
            cost->operations / facts->peaks.operations * 1e3, facts->peaks.operations * 1e-9);
}

static void print_kernels(const PlaitKernelList *list, const char *heading, PlaitText *text)
{
    plait_text_printf(text, "  %u %s\n", list->kernels.count, heading);
    for (uint32_t k = 0; k < list->kernels.count; k++) {
        plait_text_printf(text, "    %s fuses\n", list->kernels.data[k].name);
        print_stages(&list->kernels.data[k].stages, false, text);
        print_flows("reads", &list->kernels.data[k].reads, text);
        print_flows("writes", &list->kernels.data[k].writes, text);
        if (list->kernels.data[k].keeps.count)
            print_flows("keeps in memory from token to token", &list->kernels.data[k].keeps, text);
        for (uint32_t i = 0; i < list->kernels.data[k].skips.count; i++) {
            const PlaitSkips *skips = &list->kernels.data[k].skips.data[i];
            plait_text_printf(text, "        tiles of %s bounded by min and max of %s, which a kernel before finds\n",
                              skips->axis, skips->tensors);
        }
        plait_text_add(text, "        does ");
        print_work(&list->kernels.data[k].cost, text);
        plait_text_add(text, "\n");
    }
}

static bool same_stages(const PlaitStageList *a, const PlaitStageList *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; i < a->count && same; i++)
        same = strcmp(a->data[i].kind, b->data[i].kind) == 0 && strcmp(a->data[i].text, b->data[i].text) == 0 &&
               same_stages(&a->data[i].inside, &b->data[i].inside);
    return same;
}

static bool same_kernels(const PlaitKernelList *a, const PlaitKernelList *b)
{
    bool same = a->kernels.count == b->kernels.count && a->cost.bytes == b->cost.bytes;
    for (uint32_t i = 0; i < a->kernels.count && same; i++)
        same = same_stages(&a->kernels.data[i].stages, &b->kernels.data[i].stages);
    return same;
}

void plait_explain_print(const PlaitFacts *list, PlaitText *text)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const PlaitOperatorFacts *facts = &list->data[i];
        plait_text_printf(text, "%soperator %s%s%s\n  stages, as written\n", i ? "\n" : "", facts->name,
                          *facts->variant ? ", " : "", facts->variant);
        print_stages(&facts->stages, true, text);
        print_kernels(
            &facts->cpu,
            facts->cpu.kernels.count == 1 ? "kernel on the CPU: everything in one pass" : "kernels on the CPU", text);
        if (same_kernels(&facts->cpu, &facts->gpu)) plait_text_add(text, "  on a GPU the same\n");
        else {
            print_kernels(&facts->gpu, facts->gpu.kernels.count == 1 ? "kernel on a GPU" : "kernels on a GPU", text);
            plait_text_printf(text, "    they move %.3f MB in all\n", facts->gpu.cost.bytes * 1e-6);
        }
        print_cost(facts, text);
    }
}

static void json_member(PlaitText *text, const char *name, const char *value)
{
    plait_text_printf(text, "\"%s\": ", name);
    plait_text_json_string(text, value);
}

static void json_stages(const PlaitStageList *stages, PlaitText *text)
{
    plait_text_add(text, "\"stages\": [");
    for (uint32_t i = 0; i < stages->count; i++) {
        const PlaitStageFacts *stage = &stages->data[i];
        plait_text_add(text, i ? ", {" : "{");
        json_member(text, "kind", stage->kind);
        plait_text_add(text, ", ");
        json_member(text, "text", stage->text);
        plait_text_printf(text, ", \"line\": %u", stage->line);
        if (*stage->class_name) {
            plait_text_add(text, ", ");
            json_member(text, "class", stage->class_name);
            plait_text_add(text, ", ");
            json_member(text, "allows", stage->allows);
            plait_text_add(text, ", ");
            json_member(text, "detail", stage->detail);
        }
        if (stage->inside.count) {
            plait_text_add(text, ", ");
            json_stages(&stage->inside, text);
        }
        plait_text_add(text, "}");
    }
    plait_text_add(text, "]");
}

static void json_flows(const char *name, const PlaitFlows *flows, PlaitText *text)
{
    plait_text_printf(text, ", \"%s\": [", name);
    for (uint32_t i = 0; i < flows->count; i++) {
        plait_text_add(text, i ? ", {" : "{");
        json_member(text, "name", flows->data[i].name);
        plait_text_add(text, ", ");
        json_member(text, "type", flows->data[i].type);
        plait_text_printf(text, ", \"bytes\": %.0f, \"workspace\": %s}", flows->data[i].bytes,
                          flows->data[i].workspace ? "true" : "false");
    }
    plait_text_add(text, "]");
}

static void json_skips(const PlaitKernelFacts *kernel, PlaitText *text)
{
    plait_text_add(text, ", \"skips\": [");
    for (uint32_t i = 0; i < kernel->skips.count; i++) {
        plait_text_add(text, i ? ", {" : "{");
        json_member(text, "axis", kernel->skips.data[i].axis);
        plait_text_add(text, ", ");
        json_member(text, "tensors", kernel->skips.data[i].tensors);
        plait_text_add(text, "}");
    }
    plait_text_add(text, "]");
}

static void json_kernels(const char *name, const PlaitKernelList *list, PlaitText *text)
{
    plait_text_printf(text, ", \"%s\": [", name);
    for (uint32_t k = 0; k < list->kernels.count; k++) {
        const PlaitKernelFacts *kernel = &list->kernels.data[k];
        plait_text_add(text, k ? ", {" : "{");
        json_member(text, "name", kernel->name);
        plait_text_add(text, ", ");
        json_stages(&kernel->stages, text);
        json_flows("reads", &kernel->reads, text);
        json_flows("writes", &kernel->writes, text);
        json_flows("keeps", &kernel->keeps, text);
        json_skips(kernel, text);
        plait_text_printf(text, ", \"operations\": %.0f, \"functions\": %.0f}", kernel->cost.operations,
                          kernel->cost.functions);
    }
    plait_text_add(text, "]");
}

void plait_explain_print_json(const PlaitFacts *list, PlaitText *text)
{
    plait_text_add(text, ", \"operators\": [");
    for (uint32_t i = 0; i < list->count; i++) {
        const PlaitOperatorFacts *facts = &list->data[i];
        plait_text_add(text, i ? ", {" : "{");
        json_member(text, "name", facts->name);
        plait_text_add(text, ", ");
        json_member(text, "variant", facts->variant);
        plait_text_add(text, ", ");
        json_member(text, "sizes", facts->sizes);
        plait_text_add(text, ", ");
        json_stages(&facts->stages, text);
        json_kernels("kernels", &facts->cpu, text);
        json_kernels("gpu_kernels", &facts->gpu, text);
        plait_text_printf(text, ", \"kernel_bytes\": %.0f, \"kernel_operations\": %.0f, \"kernel_functions\": %.0f",
                          facts->cpu.cost.bytes, facts->cpu.cost.operations, facts->cpu.cost.functions);
        plait_floor_print_json(&facts->cost, &facts->peaks, text);
        plait_text_add(text, "}");
    }
    plait_text_add(text, "]");
}

/* A node for each tensor, by name, within the operator's cluster. */
static void graph_tensors(const PlaitFlows *flows, uint32_t number, const char *shape, PlaitText *text)
{
    for (uint32_t i = 0; i < flows->count; i++)
        plait_text_printf(text, "    \"%u.%s\" [shape=%s, label=\"%s\\n%s\"];\n", number, flows->data[i].name, shape,
                          flows->data[i].name, flows->data[i].type);
}

static void graph_stages(const PlaitStageList *stages, uint32_t depth, PlaitText *text)
{
    for (uint32_t i = 0; i < stages->count; i++) {
        const PlaitStageFacts *stage = &stages->data[i];
        plait_text_printf(text, "%*s%s: %s%s%s\\l", (int)depth * 4, "", stage->kind, stage->text,
                          *stage->class_name ? "; " : "", stage->class_name);
        graph_stages(&stage->inside, depth + 1, text);
    }
}

static void graph_kernel(const PlaitKernelFacts *kernel, uint32_t number, PlaitText *text)
{
    plait_text_printf(text, "    \"%u:%s\" [shape=box, style=\"rounded,filled\", fillcolor=\"#e8eef7\", label=\"%s\\l",
                      number, kernel->name, kernel->name);
    graph_stages(&kernel->stages, 0, text);
    plait_text_add(text, "\"];\n");
    for (uint32_t i = 0; i < kernel->writes.count; i++)
        if (kernel->writes.data[i].workspace)
            plait_text_printf(text, "    \"%u.%s\" [shape=cylinder, label=\"%s\\n%s\"];\n", number,
                              kernel->writes.data[i].name, kernel->writes.data[i].name, kernel->writes.data[i].type);
    for (uint32_t i = 0; i < kernel->reads.count; i++)
        plait_text_printf(text, "    \"%u.%s\" -> \"%u:%s\";\n", number, kernel->reads.data[i].name, number,
                          kernel->name);
    for (uint32_t i = 0; i < kernel->writes.count; i++)
        plait_text_printf(text, "    \"%u:%s\" -> \"%u.%s\";\n", number, kernel->name, number,
                          kernel->writes.data[i].name);
}

void plait_explain_print_graph(const PlaitFacts *list, PlaitText *text)
{
    plait_text_add(text, "digraph plait {\n  rankdir=TB; node [fontname=\"Helvetica\", fontsize=11];\n");
    for (uint32_t i = 0; i < list->count; i++) {
        const PlaitOperatorFacts *facts = &list->data[i];
        plait_text_printf(text, "  subgraph cluster_%u {\n    label=\"%s%s%s\";\n", i, facts->name,
                          *facts->variant ? ", " : "", facts->variant);
        graph_tensors(&facts->inputs, i, "ellipse", text);
        graph_tensors(&facts->outputs, i, "doubleoctagon", text);
        for (uint32_t k = 0; k < facts->cpu.kernels.count; k++) graph_kernel(&facts->cpu.kernels.data[k], i, text);
        plait_text_add(text, "  }\n");
    }
    plait_text_add(text, "}\n");
}
