/* Files that are part of the program, as bytes: the description of the interface, and the page for a person. */
#ifndef SERVER_EMBEDDED_H
#define SERVER_EMBEDDED_H

#include <stddef.h>

extern const unsigned char srv_file_openapi[];
extern const size_t srv_file_openapi_bytes;
extern const unsigned char srv_file_page_html[];
extern const size_t srv_file_page_html_bytes;
extern const unsigned char srv_file_page_css[];
extern const size_t srv_file_page_css_bytes;
extern const unsigned char srv_file_page_js[];
extern const size_t srv_file_page_js_bytes;

#endif
