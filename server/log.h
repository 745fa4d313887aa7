/*
 * log.h - one line an event to stderr: text for people, logfmt or JSON lines for machines.
 *
 * Control bytes are escaped; prompt text, keys and bodies are never logged. At most LOG_LINES_PER_SECOND
 * lines a second; the rest is counted and reported.
 * Threads: any.
 */
#ifndef DRIFTLINE_LOG_H
#define DRIFTLINE_LOG_H

#include "engine/base/status.h"

#define LOG_LINES_PER_SECOND 100

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* level: debug info warn error; format: text logfmt json. Unknown names mean info and text. */
void log_setup(const char *level, const char *format);
void log_line(enum log_level level, const char *component, const char *format, ...) PRINTF_LIKE(3, 4);
/* The shape engine_options.log and alert_options.log want; context is the component's name. */
void log_callback(void *component, const char *level, const char *text);

#endif
