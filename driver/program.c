/* From a file to Stage IR and Tile IR, by the front end and the passes. */
#include "driver/program.h"

#include <string.h>

#include "driver/files.h"
#include "frontend/frontend.h"
#include "passes/passes.h"

bool plait_program_read(PlaitSession *session, const char *path, PlaitProgram *program)
{
    *program = (PlaitProgram){.path = path};
    program->source = plait_file_read_source(session, path);
    plait_variants_read(session, &program->variants);
    return !plait_session_failed(session);
}

const PlaitSource *plait_program_source(const PlaitSession *session, const PlaitProgram *program)
{
    return plait_sources_get(&session->sources, program->source);
}

void plait_program_unknown_operator(PlaitSession *session, const char *name, const char *const *known, uint32_t count)
{
    PlaitText list = plait_text(session->arena);
    for (uint32_t i = 0; i < count; i++) plait_text_printf(&list, "%s`%s`", i ? ", " : "", known[i]);
    const char *nearest = plait_nearest_name(name, known, count);
    plait_session_error(session, PLAIT_UNKNOWN_OPERATOR, plait_session_text(session, "`%s`", name),
                        count ? plait_session_text(session, "one of %s", plait_text_string(&list))
                              : "an operator, but there is none",
                        nearest ? plait_session_text(session, "did you mean `%s`?", nearest)
                                : "name one of the file's operators with --operator");
}

const PlaitFunction *plait_program_operator(const PlaitModule *module, const char *name)
{
    for (uint32_t i = 0; i < module->functions.count; i++)
        if (strcmp(plait_names_text(module->names, module->functions.data[i]->name), name) == 0)
            return module->functions.data[i];
    return NULL;
}

/* Leaves only the operator that --operator names. */
static bool keep_operator(PlaitSession *session, PlaitModule *module)
{
    const char *name = plait_option_text(&session->options, PLAIT_OPTION_OPERATOR);
    if (!name) return true;
    uint32_t count = module->functions.count;
    const char **known = PLAIT_NEW_ARRAY(session->arena, const char *, count);
    for (uint32_t i = 0; i < count; i++) {
        PlaitFunction *function = module->functions.data[i];
        known[i] = plait_names_text(module->names, function->name);
        if (strcmp(known[i], name) != 0) continue;
        module->functions.data[0] = function;
        module->functions.count = 1;
        return true;
    }
    plait_program_unknown_operator(session, name, known, count);
    return false;
}

/* The operators as they are written. */
static PlaitModule *compile_forward(PlaitSession *session, const PlaitProgram *program, const PlaitVariant *variant)
{
    PlaitAxisSize *sizes = PLAIT_NEW_ARRAY(session->arena, PlaitAxisSize, variant->count);
    for (uint32_t i = 0; i < variant->count; i++)
        sizes[i] =
            (PlaitAxisSize){plait_names_add(&session->names, variant->defines[i].axis), variant->defines[i].size};
    PlaitModule *module = plait_frontend_compile(session->arena, &session->names, &session->diagnostics,
                                                 program->source, sizes, variant->count);
    return module && keep_operator(session, module) ? module : NULL;
}

/* Adds each operator's backward, made of a second copy of the operator. */
static bool add_backwards(PlaitSession *session, const PlaitProgram *program, const PlaitVariant *variant,
                          PlaitModule *module)
{
    const PlaitModule *copies = compile_forward(session, program, variant);
    if (!copies) return false;
    uint32_t errors = session->diagnostics.error_count;
    for (uint32_t i = 0; i < copies->functions.count; i++) {
        PlaitFunction *copy = copies->functions.data[i];
        copy->module = module;
        plait_pass_differentiate(copy);
        plait_push(session->arena, &module->functions, copy);
    }
    return session->diagnostics.error_count == errors;
}

PlaitModule *plait_program_compile(PlaitSession *session, const PlaitProgram *program, const PlaitVariant *variant)
{
    PlaitModule *module = compile_forward(session, program, variant);
    bool backward = plait_option_given(&session->options, PLAIT_OPTION_GRAD);
    return module && (!backward || add_backwards(session, program, variant, module)) ? module : NULL;
}

PlaitModule **plait_program_optimise(PlaitSession *session, const PlaitProgram *program, bool gpu)
{
    PlaitModule **stages = PLAIT_NEW_ARRAY(session->arena, PlaitModule *, program->variants.count);
    for (uint32_t i = 0; i < program->variants.count; i++) {
        stages[i] = plait_program_compile(session, program, &program->variants.data[i]);
        if (!stages[i]) return NULL;
        plait_stage_pipeline_run(stages[i], gpu, &(PlaitPassOptions){0});
    }
    return plait_session_failed(session) ? NULL : stages;
}
