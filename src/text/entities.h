/* HTML character references, the two ways in which the original tokenizer resolves them. Both work
 * in place: what a reference stands for is never longer than the reference. */
#ifndef WI_TEXT_ENTITIES_H
#define WI_TEXT_ENTITIES_H

#include "text/unicode.h"

/* Every reference, with or without its semicolon ("&ampx" too).
 * Source: Python 3.11 html.unescape */
void wi_entities_unescape(wi_chars *text);

/* Only whole references that end in a semicolon, and upper-cased names such as "&EACUTE;".
 * Source: ftfy 6.3.1 fixes.unescape_html */
void wi_entities_unescape_strict(wi_chars *text);

#endif
