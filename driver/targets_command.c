/* `plait targets`. */
#include "driver/targets.h"

static void add_fields(PlaitSession *session, const PlaitTargetRow *row)
{
    plait_text_printf(&session->fields, "%s{\"name\": \"%s\", \"gpu\": %s, \"runs_here\": %s, \"meaning\": ",
                      row == plait_target_rows() ? "" : ", ", row->name, row->gpu ? "true" : "false",
                      plait_target_runs_here(row) ? "true" : "false");
    plait_text_json_string(&session->fields, row->meaning);
    plait_text_add(&session->fields, "}");
}

void plait_command_TARGETS(PlaitSession *session)
{
    plait_text_add(&session->fields, ", \"targets\": [");
    for (const PlaitTargetRow *row = plait_target_rows(); row->name; row++) {
        plait_text_printf(&session->output, "%-8s%s\n", row->name, row->meaning);
        add_fields(session, row);
    }
    plait_text_add(&session->fields, "]");
}
