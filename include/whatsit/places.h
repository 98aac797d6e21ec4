/* Where things lie: models by name, what is shipped, the user's own folders. These functions alone read the
 * environment, and nothing else calls them.
 * Threads: any, while none changes the environment. */
#ifndef WHATSIT_PLACES_H
#define WHATSIT_PLACES_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The model that everything comes with. */
#define WI_DEFAULT_MODEL "whatsit-nano"

/* The path of a model. name: a bare name ("whatsit-nano", "b32"), looked for in the user's models, then
 * among the shipped ones; else a path. NULL: what $WHATSIT_MODEL says, else WI_DEFAULT_MODEL.
 * Owns:   path is caller memory of path_bytes
 * Errors: WI_ERR_NOT_FOUND; WI_ERR_LIMIT when path is too small (4,096 bytes are enough) */
WI_API wi_status wi_model_find(const char *name, char *path, size_t path_bytes, wi_error *error);

/* A shipped file or folder ("heads/foods.txt"): in $WHATSIT_SHARE; beside the program or the library, in the
 * folder above, in share/ there, in ../share/whatsit and ../../share/whatsit. Owns, Errors: as above. */
WI_API wi_status wi_shipped_find(const char *name, char *path, size_t path_bytes, wi_error *error);

typedef enum wi_user_folder {
    WI_USER_DATA = 0, /* $XDG_DATA_HOME, or ~/.local/share */
    WI_USER_CACHE     /* $XDG_CACHE_HOME, or ~/.cache */
} wi_user_folder;

/* FOLDER/whatsit/NAME, whether it is there or not. Owns: as above.
 * Errors: WI_ERR_NOT_FOUND when there is no home folder; WI_ERR_LIMIT; WI_ERR_ARG
 * Source: XDG Base Directory Specification, by which relative values are ignored */
WI_API wi_status wi_user_path(wi_user_folder folder, const char *name, char *path,
                              size_t path_bytes, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
