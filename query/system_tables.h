/*
 * system_tables.h - tables that describe the store: segments, projects, settings, information_schema.
 */
#ifndef DRIFTLINE_QUERY_SYSTEM_TABLES_H
#define DRIFTLINE_QUERY_SYSTEM_TABLES_H

#include "query/check.h"

bool system_table_source(struct statement *st, struct slice schema, struct slice name,
                         struct source *ret);
void system_table_names(void (*add)(struct table_list *to, const char *name, const char *kind),
                        struct table_list *to);

#endif
