/*
 * log.c - formats and rations log lines.
 */
#include "server/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/memory.h"
#include "engine/base/thread.h"

enum log_format { FORMAT_TEXT, FORMAT_LOGFMT, FORMAT_JSON };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    pthread_mutex_t lock;
    enum log_level level;
    enum log_format format;
    int64_t second;    /* the one being rationed */
    uint32_t lines;    /* written in it */
    uint32_t withheld; /* since the last report */
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO};

static enum log_level level_from_name(const char *name)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(name, level_names[i]) == 0)
            return (enum log_level)i;
    }
    return LOG_INFO;
}

void log_setup(const char *level, const char *format)
{
    log_state.level = level_from_name(level);
    log_state.format = strcmp(format, "json") == 0     ? FORMAT_JSON
                       : strcmp(format, "logfmt") == 0 ? FORMAT_LOGFMT
                                                       : FORMAT_TEXT;
}

static void add_escaped(struct buffer *to, const char *text)
{
    for (const char *p = text; *p != 0; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f)
            buffer_printf(to, "\\x%02x", c);
        else
            buffer_add_byte(to, c);
    }
}

static void add_line(struct buffer *to, enum log_level level, const char *component, const char *text)
{
    char time[TIME_TEXT_BYTES];
    time_to_text(clock_wall_ns() / NS_PER_MS * NS_PER_MS, time);
    switch (log_state.format) {
    case FORMAT_TEXT:
        buffer_printf(to, "%s %-5s %s: ", time, level_names[level], component);
        add_escaped(to, text);
        break;
    case FORMAT_LOGFMT:
        buffer_printf(to, "ts=%s level=%s component=%s msg=", time, level_names[level], component);
        buffer_add_json(to, slice_text(text));
        break;
    case FORMAT_JSON:
        buffer_printf(to, "{\"ts\":\"%s\",\"level\":\"%s\",\"component\":\"%s\",\"msg\":", time,
                      level_names[level], component);
        buffer_add_json(to, slice_text(text));
        buffer_add_text(to, "}");
        break;
    }
    buffer_add_text(to, "\n");
}

/* True when this line may be written; lines held back are reported once there is room again. */
static bool ration_locked(struct buffer *to)
{
    int64_t second = clock_monotonic_ns() / NS_PER_S;
    if (second != log_state.second) {
        log_state.second = second;
        log_state.lines = 0;
        if (log_state.withheld != 0) {
            char text[64];
            (void)snprintf(text, sizeof text, "%u lines were held back", log_state.withheld);
            add_line(to, LOG_WARN, "log", text);
            log_state.withheld = 0;
        }
    }
    if (log_state.lines >= LOG_LINES_PER_SECOND) {
        log_state.withheld++;
        return false;
    }
    log_state.lines++;
    return true;
}

static void write_line(enum log_level level, const char *component, const char *text)
{
    if (level < log_state.level)
        return;
    struct buffer line = {0};
    (void)pthread_mutex_lock(&log_state.lock);
    if (ration_locked(&line))
        add_line(&line, level, component, text);
    if (line.size != 0) {
        ssize_t written = write(STDERR_FILENO, line.data, line.size);
        (void)written;
    }
    (void)pthread_mutex_unlock(&log_state.lock);
    buffer_deinit(&line);
}

void log_line(enum log_level level, const char *component, const char *format, ...)
{
    char text[2 * ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_line(level, component, text);
}

void log_callback(void *component, const char *level, const char *text)
{
    write_line(level_from_name(level), component, text);
}
