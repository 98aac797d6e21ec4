#ifndef WI_WINDOWS_LANGINFO_H
#define WI_WINDOWS_LANGINFO_H

enum { CODESET };

const char *nl_langinfo(int item);

#endif
