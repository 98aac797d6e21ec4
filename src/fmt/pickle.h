/* The tensors of a PyTorch file: a ZIP archive whose data.pkl is a pickle.
 *
 * A pickle is a program for a small machine, and Python's runs whatever it names. This one knows
 * the operations that build numbers, strings, lists and dictionaries, and by name: OrderedDict, the
 * storages, the functions that make a tensor of a storage, and TorchScript's modules, which are
 * taken for dictionaries. Everything else is refused by its name; nothing is ever called.
 *
 * Names of tensors are the keys on the way to them, joined by dots, from the dictionary under
 * "state_dict" or "model" where there is one. A "module." before every name is left out.
 * Source: CPython Lib/pickletools.py; PyTorch 2.x torch/serialization.py, torch/_utils.py */
#ifndef WI_FMT_PICKLE_H
#define WI_FMT_PICKLE_H

#include "fmt/safetensors.h"

/* The tensors as a directory. file: for messages.
 * Owns: the caller closes *out with wi_safetensors_close; bytes are borrowed for its life.
 * Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED, WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_pickle_read(const char *file, const uint8_t *bytes, size_t n_bytes,
                         wi_safetensors **out, wi_error *error);

#endif
