/* Static files of the web app. The folder is read once, into a table; a request's path is looked up
 * there and never reaches the file system. */
#ifndef SERVER_WEB_H
#define SERVER_WEB_H

#include "message.h"

typedef struct srv_web srv_web;

wi_status srv_web_open(const char *folder, srv_web **out, wi_error *error);
/* Reads the folder anew; requests see the old files until then. */
wi_status srv_web_reload(srv_web *web, wi_error *error);
void srv_web_close(srv_web **web);
/* False: there is no such file. web may be NULL. */
bool srv_web_answer(srv_web *web, const srv_request *request, srv_response *response);

#endif
