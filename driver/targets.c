/* The names of --target. */
#include "driver/targets.h"

#include <string.h>

enum { CPU, PTX }; /* the kinds of targets.def */

static const PlaitTargetRow rows[] = {
#define TARGET(id, name, kind, llvm_cpu, llvm_features, architecture, exact, meaning)                                  \
    {name, meaning, kind == PTX, architecture, exact},
#include "codegen/targets.def"
#undef TARGET
    {0}};
enum { ROW_COUNT = sizeof rows / sizeof *rows - 1 };

const PlaitTargetRow *plait_target_rows(void) { return rows; }

const PlaitTargetRow *plait_target_row_by_name(const char *name)
{
    for (uint32_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

static void unknown_target(PlaitSession *session, const char *name)
{
    const char *names[ROW_COUNT];
    PlaitText list = plait_text(session->arena);
    for (uint32_t i = 0; i < ROW_COUNT; i++) {
        names[i] = rows[i].name;
        plait_text_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = plait_nearest_name(name, names, ROW_COUNT);
    if (strcmp(name, "gpu") == 0 || strcmp(name, "cuda") == 0) nearest = NULL; /* any of them */
    for (uint32_t i = 0; i < ROW_COUNT && *name; i++)
        if (strncmp(names[i], name, strlen(name)) == 0) nearest = names[i]; /* sm_90 means sm_90a, not sm_80 */
    plait_session_error(session, PLAIT_UNKNOWN_TARGET, *name ? plait_session_text(session, "`%s`", name) : "no name",
                        plait_session_text(session, "one of %s", plait_text_string(&list)),
                        nearest
                            ? plait_session_text(session, "did you mean `%s`? Newer GPUs run the PTX of sm_80", nearest)
                            : "other GPUs run the PTX of an older one: sm_80");
}

static void mark(PlaitSession *session, const char *list, bool *wanted)
{
    for (;;) {
        size_t length = strcspn(list, ",");
        const char *name = plait_arena_strndup(session->arena, list, length);
        const PlaitTargetRow *target = plait_target_row_by_name(name);
        if (target) wanted[target - rows] = true;
        else unknown_target(session, name);
        if (!list[length]) return;
        list += length + 1;
    }
}

bool plait_target_rows_read(PlaitSession *session, PlaitTargetRows *targets)
{
    const PlaitTexts *given = &session->options.values[PLAIT_OPTION_TARGET];
    bool wanted[ROW_COUNT] = {0};
    for (uint32_t i = 0; i < given->count; i++) mark(session, given->data[i], wanted);
    for (uint32_t i = 0; i < ROW_COUNT; i++)
        if (wanted[i] || given->count == 0) plait_push(session->arena, targets, &rows[i]);
    return !plait_session_failed(session);
}
