/*
 * progress.c - rate and time left.
 */
#include "tools/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/base/clock.h"

#define TERMINAL_EVERY_NS (100 * NS_PER_MS)
#define PIPE_EVERY_NS     (10 * NS_PER_S)
#define BAR_WIDTH         24

void progress_begin(struct progress_line *p, const char *what, const char *unit, bool quiet)
{
    int64_t now_ns = clock_monotonic_ns();
    *p = (struct progress_line){.what = what,
                                .unit = unit,
                                .started_ns = now_ns,
                                .shown_ns = now_ns,
                                .terminal = isatty(STDERR_FILENO) == 1,
                                .quiet = quiet};
}

double progress_seconds(const struct progress_line *p)
{
    return (double)(clock_monotonic_ns() - p->started_ns) / (double)NS_PER_S;
}

static void print_bar(double fraction)
{
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = (double)i < fraction * BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    (void)fprintf(stderr, " [%s] %3.0f %%", bar, fraction * 100);
}

void progress_update(struct progress_line *p, uint64_t done, double fraction)
{
    if (p->quiet)
        return;
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns - p->shown_ns < (p->terminal ? TERMINAL_EVERY_NS : PIPE_EVERY_NS))
        return;
    p->shown_ns = now_ns;
    double seconds = progress_seconds(p);
    double rate = seconds > 0 ? (double)done / seconds : 0;
    (void)fprintf(stderr, "%s%s", p->terminal ? "\r\033[K" : "", p->what);
    if (fraction >= 0)
        print_bar(fraction > 1 ? 1 : fraction);
    if (done > 0)
        (void)fprintf(stderr, "  %llu %s  %.0f/s", (unsigned long long)done, p->unit, rate);
    if (fraction > 0.01 && fraction < 1)
        (void)fprintf(stderr, "  %.0f s left", seconds * (1 - fraction) / fraction);
    if (!p->terminal)
        (void)fputc('\n', stderr);
    p->dirty = p->terminal;
}

void progress_end(struct progress_line *p)
{
    if (p->dirty)
        (void)fputs("\r\033[K", stderr);
    p->dirty = false;
}
