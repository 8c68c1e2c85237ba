/* Scalars of YAML 1.1 as PyYAML's safe_load takes them. Private to yamltree.c. Source: PyYAML 6, yaml/resolver.py and constructor.py. */
#ifndef NIIPIPE_YAMLSCALAR_H
#define NIIPIPE_YAMLSCALAR_H

#include <jansson.h>
#include <regex.h>

#include "lib/base/err.h"

enum { YAMLSCALAR_FORMS = 9 };
struct yamlscalar { regex_t form[YAMLSCALAR_FORMS]; };

/* 0, or -1 and an error, nothing then to be closed. */
int yamlscalar_open(struct yamlscalar *s, struct err *e);
void yamlscalar_close(struct yamlscalar *s);

/* Null, a truth value, a number or a string. tag: "int", "float", "bool", "null", "str", anything else is refused; NULL: what the text looks like,
   where it is plain (without quotes). NULL and an error: what JSON cannot hold (.inf, a date, more than 64 bits), or not what its tag says.
   Caller json_decref()s. */
json_t *yamlscalar_value(const struct yamlscalar *s, const char *text, const char *tag, int plain, struct err *e);

#endif
