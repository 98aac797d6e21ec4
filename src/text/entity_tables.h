/* The generated names of HTML character references. */
#ifndef WI_TEXT_ENTITY_TABLES_H
#define WI_TEXT_ENTITY_TABLES_H

#include <stddef.h>
#include <stdint.h>

/* Offsets of two strings in the pool: the name without '&' (with ';' where it needs one), and the
 * characters that it stands for in UTF-8. */
typedef struct wi_entity {
    uint16_t name, value;
} wi_entity;

extern const char wi_entity_pool[];
extern const wi_entity wi_entities[];
extern const size_t wi_n_entities;
extern const wi_entity wi_upper_entities[];
extern const size_t wi_n_upper_entities;

#endif
