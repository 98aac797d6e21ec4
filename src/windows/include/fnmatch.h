#ifndef WI_WINDOWS_FNMATCH_H
#define WI_WINDOWS_FNMATCH_H

/* '*', '?', '[a-z]', '[!a]' and '\'. flags: none are known. 0: the name fits. */
int fnmatch(const char *pattern, const char *name, int flags);

#endif
