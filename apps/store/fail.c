#include "fail.h"
#include <stdarg.h>
#include <stdio.h>

wi_status store_fail(wi_error *error, wi_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}
