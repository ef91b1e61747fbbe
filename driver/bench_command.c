/* `plait bench`: times of operators and their distance to the floor that memory and arithmetic set.
 *
 * CPU: the call returns when the work is done; a clock around it. GPU: events around the call, after a fill larger than
 * the second-level cache, so that inputs come from memory and the launch is hidden behind the fill.
 */
#include <stdlib.h>

#include "driver/cases.h"
#include "driver/peaks.h"
#include "driver/progress.h"
#include "runtime/device.h"
#include "runtime/runtime.h"

enum { LEAST_REPEATS = 5, MOST_REPEATS = 1000, WARM_UPS = 2 };
static const double measured_seconds = 0.5;
static const PlaitUsualSizes usual = {{64, 1, 8, 4096}, 4096};

typedef struct Bench {
    PlaitSession *session;
    PlaitBench bench;
    PlaitVariants sizes;
    const PlaitModule *fused; /* of the variant that is being measured, after the passes */
    PlaitPeaks peaks[2];      /* cpu, gpu */
    bool measured[2];
    PlaitProgress progress;
    uint32_t rows;
} Bench;

/* What times a call on the GPU. */
typedef struct Timer {
    void *begin, *end, *scratch;
    uint64_t scratch_bytes;
} Timer;

static int by_size(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

static bool timer_create(Timer *timer, bool gpu)
{
    PlaitDeviceInfo info;
    if (!gpu) return true;
    if (plait_device_info(0, &info) != PLAIT_STATUS_OK) return false;
    timer->scratch_bytes = 2 * (uint64_t)info.l2_bytes;
    return plait_device_event_create(&timer->begin) == PLAIT_STATUS_OK &&
           plait_device_event_create(&timer->end) == PLAIT_STATUS_OK &&
           plait_device_allocate(timer->scratch_bytes, &timer->scratch) == PLAIT_STATUS_OK;
}

static void timer_destroy(Timer *timer)
{
    if (timer->begin) plait_device_event_destroy(timer->begin);
    if (timer->end) plait_device_event_destroy(timer->end);
    plait_device_free(timer->scratch);
}

/* Seconds of one call; negative when it failed, with *message. */
static double time_once(Timer *timer, PlaitOperatorCall *call, const char **message)
{
    float milliseconds = 0;
    if (!call->gpu) {
        double begin = plait_clock();
        bool good = plait_operator_call_run(call, message);
        return good ? plait_clock() - begin : -1;
    }
    *message = "";
    bool good = plait_device_fill(timer->scratch, 0, timer->scratch_bytes, NULL) == PLAIT_STATUS_OK &&
                plait_device_event_record(timer->begin, NULL) == PLAIT_STATUS_OK;
    if (good && call->library->call(call->op->name, call->pointers, call->count, NULL) != PLAIT_STATUS_OK) {
        *message = call->library->error();
        return -1;
    }
    good = good && plait_device_event_record(timer->end, NULL) == PLAIT_STATUS_OK &&
           plait_device_event_elapsed(timer->begin, timer->end, &milliseconds) == PLAIT_STATUS_OK;
    if (!good) *message = plait_last_error();
    return good ? milliseconds * 1e-3 : -1;
}

/* The median; negative when a call failed. */
static double measure(Bench *bench, PlaitOperatorCall *call, uint32_t *repeats, const char **message)
{
    Timer timer = {0};
    double times[MOST_REPEATS], once = 0;
    uint64_t asked = plait_option_count(&bench->session->options, PLAIT_OPTION_REPEATS, 0);
    *message = "the GPU cannot be timed";
    bool good = timer_create(&timer, call->gpu);
    for (int i = 0; i < WARM_UPS && good; i++) {
        once = time_once(&timer, call, message);
        good = once >= 0;
    }
    double fitting = once > 0 ? measured_seconds / once : MOST_REPEATS;
    *repeats = asked                     ? (uint32_t)asked /* at most MOST_REPEATS, else it was refused */
               : fitting < LEAST_REPEATS ? LEAST_REPEATS
               : fitting > MOST_REPEATS  ? MOST_REPEATS
                                         : (uint32_t)fitting;
    for (uint32_t i = 0; i < *repeats && good; i++) {
        times[i] = time_once(&timer, call, message);
        good = times[i] >= 0;
    }
    timer_destroy(&timer);
    if (!good) return -1;
    qsort(times, *repeats, sizeof *times, by_size);
    return times[*repeats / 2];
}

static const PlaitPeaks *peaks_of(Bench *bench, bool gpu)
{
    if (!bench->measured[gpu]) bench->peaks[gpu] = gpu ? plait_peaks_gpu() : plait_peaks_cpu();
    bench->measured[gpu] = true;
    return &bench->peaks[gpu];
}

static void add_row(Bench *bench, const PlaitCase *it, const PlaitTargetRow *row, double seconds, uint32_t repeats)
{
    PlaitSession *session = bench->session;
    const char *name = plait_names_text(it->function->module->names, it->function->name);
    PlaitCost cost = plait_cost_least(it->function, plait_program_operator(bench->fused, name), it->extents);
    const PlaitPeaks *peaks = peaks_of(bench, row->gpu);
    PlaitFloor floor = plait_floor(&cost, peaks);
    plait_text_printf(&session->output, "%-24s%-8s%-44s%12.3f%12.3f%12.3f%12.3f  %-13s%9.1f %%\n", name, row->name,
                      it->sizes, seconds * 1e3, cost.bytes * 1e-6, cost.operations * 1e-9, floor.seconds * 1e3,
                      floor.bound, seconds > 0 ? 100 * floor.seconds / seconds : 0);
    plait_text_printf(&session->fields,
                      "%s{\"operator\": \"%s\", \"target\": \"%s\", \"sizes\": ", bench->rows++ ? ", " : "", name,
                      row->name);
    plait_case_sizes_json(it, &session->fields);
    plait_text_printf(&session->fields, ", \"seconds\": %.9g, \"repeats\": %u", seconds, repeats);
    plait_floor_print_json(&cost, peaks, &session->fields);
    plait_text_add(&session->fields, ", \"share\": ");
    plait_json_number(&session->fields, floor.seconds / seconds);
    plait_text_add(&session->fields, "}");
}

static void bench_target(Bench *bench, const PlaitCase *it, const PlaitTargetRow *row)
{
    PlaitSession *session = bench->session;
    PlaitOperatorCall call = {.library = &bench->bench.library, .gpu = row->gpu};
    const char *message;
    uint32_t repeats;
    call.op = plait_library_operator(session, &bench->bench.library,
                                     plait_names_text(it->function->module->names, it->function->name));
    if (!call.op || !plait_library_has_code(call.op, row->gpu)) return;
    if (plait_case_call(session, it, &call)) {
        double seconds = measure(bench, &call, &repeats, &message);
        if (seconds >= 0) add_row(bench, it, row, seconds, repeats);
        else
            plait_session_error(session, PLAIT_CALL_FAILED, plait_session_text(session, "%s", message),
                                "a call that succeeds",
                                "with --library, the library must be built from this program with the same sizes");
    }
    plait_operator_call_end(&call);
}

static void bench_operator(Bench *bench, const PlaitFunction *function)
{
    uint32_t count = bench->sizes.count ? bench->sizes.count : 1;
    uint64_t seed = plait_option_count(&bench->session->options, PLAIT_OPTION_SEED, 1);
    for (uint32_t i = 0; i < count; i++) {
        PlaitCase it;
        int64_t *extents =
            plait_case_extents(bench->session, function, bench->sizes.count ? &bench->sizes.data[i] : NULL, &usual);
        if (!plait_case_begin(bench->session, &it, function, extents, seed, false)) return;
        for (uint32_t j = 0; j < bench->bench.rows.count; j++) {
            plait_progress_step(&bench->progress, "measuring", bench->rows, bench->rows + 1);
            bench_target(bench, &it, bench->bench.rows.data[j]);
        }
        plait_case_end(&it);
    }
}

void plait_command_BENCH(PlaitSession *session)
{
    Bench bench = {.session = session, .progress = plait_progress_begin()};
    uint64_t asked = plait_option_count(&session->options, PLAIT_OPTION_REPEATS, 1);
    if (asked < 1 || asked > MOST_REPEATS) {
        plait_session_error(session, PLAIT_BAD_OPTION_VALUE,
                            plait_session_text(session, "`--repeats %llu`", (unsigned long long)asked),
                            plait_session_text(session, "a number from 1 to %d", MOST_REPEATS),
                            "leave it out, and as many runs as fit into half a second are timed");
        return;
    }
    if (!plait_bench_begin(session, &bench.bench) || !plait_program_sizes(session, &bench.bench.program, &bench.sizes))
        return;
    plait_text_printf(&session->output, "%-24s%-8s%-44s%12s%12s%12s%12s  %-13s%11s\n", "operator", "target", "sizes",
                      "time, ms", "MB", "G op", "floor, ms", "set by", "share");
    plait_text_add(&session->fields, ", \"rows\": [");
    const PlaitVariants *variants = &bench.bench.program.variants;
    PlaitModule **fused = plait_program_optimise(session, &bench.bench.program, false);
    for (uint32_t i = 0; fused && i < variants->count; i++) {
        const PlaitModule *module = plait_program_compile(session, &bench.bench.program, &variants->data[i]);
        bench.fused = fused[i];
        for (uint32_t j = 0; module && j < module->functions.count; j++)
            bench_operator(&bench, module->functions.data[j]);
    }
    plait_progress_end(&bench.progress);
    plait_text_add(&session->fields, "]");
}
