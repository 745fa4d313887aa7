/*
 * io_sim_fault.c - where and how the simulated disk fails.
 *
 * Place: io_sim.c asks at each operation that can change the disk.
 */
#include "engine/base/io_sim_state.h"

static enum sim_verdict fault_strikes(struct sim_io *sim, enum sim_kind kind, uint64_t number)
{
    bool here = number == sim->fault_at;
    switch (sim->fault) {
    case IO_SIM_NONE:
        return SIM_GO;
    case IO_SIM_CRASH_BEFORE:
    case IO_SIM_CRASH_AFTER:
    case IO_SIM_CRASH_TORN:
        if (!here)
            return SIM_GO;
        sim->crashed = true;
        if (sim->fault == IO_SIM_CRASH_BEFORE)
            return SIM_REFUSE_DEAD;
        return sim->fault == IO_SIM_CRASH_AFTER ? SIM_GO_AND_DIE : SIM_TEAR_AND_DIE;
    case IO_SIM_FAIL_ONCE:
        return here ? SIM_REFUSE_IO : SIM_GO;
    case IO_SIM_FAIL_ALWAYS:
        if (here) {
            sim->fault_kind = kind;
            sim->fault_armed = true;
        }
        return sim->fault_armed && kind == sim->fault_kind ? SIM_REFUSE_IO : SIM_GO;
    case IO_SIM_FULL:
        return number >= sim->fault_at && kind == SIM_WRITE ? SIM_REFUSE_FULL : SIM_GO;
    case IO_SIM_SHORT_WRITE:
        return here && kind == SIM_WRITE ? SIM_SHORT : SIM_GO;
    }
    return SIM_GO;
}

enum sim_verdict sim_point(struct sim_io *sim, enum sim_kind kind)
{
    if (sim->crashed)
        return SIM_REFUSE_DEAD;
    return fault_strikes(sim, kind, sim->operations++);
}

enum status sim_verdict_status(enum sim_verdict verdict, const char *path, const char *verb,
                               struct error *reterr)
{
    switch (verdict) {
    case SIM_GO:
    case SIM_SHORT:
        return STATUS_OK;
    case SIM_REFUSE_IO:
        return error_set(reterr, STATUS_IO, "%s: %s: simulated input/output error", path, verb);
    case SIM_REFUSE_FULL:
        return error_set(reterr, STATUS_FULL, "%s: %s: simulated full disk", path, verb);
    case SIM_REFUSE_DEAD:
    case SIM_GO_AND_DIE:
    case SIM_TEAR_AND_DIE:
        break;
    }
    return error_set(reterr, STATUS_IO, "%s: %s: the simulated power is off", path, verb);
}

enum status sim_power_check(const struct sim_io *sim, const char *path, struct error *reterr)
{
    return sim->crashed ? sim_verdict_status(SIM_REFUSE_DEAD, path, "use", reterr) : STATUS_OK;
}
