/* The small files of a model folder. The first byte picks one (config.json,
 * preprocessor_config.json, open_clip_config.json, the index of shards, tokenizer.json, merges.txt,
 * README.md), the rest is its content; the others and the weights are right. */
#include "folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static const char config[] = "{\"projection_dim\":4,\"text_config\":{\"hidden_size\":4,"
                             "\"intermediate_size\":8,\"num_hidden_layers\":1,"
                             "\"num_attention_heads\":1,\"vocab_size\":520,\"max_position_"
                             "embeddings\":4},\"vision_config\":{"
                             "\"hidden_size\":4,\"intermediate_size\":8,\"num_hidden_layers\":1,"
                             "\"num_attention_heads\":2,\"image_size\":4,"
                             "\"patch_size\":2}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const char *const names[] = {"config.json",
                                        "preprocessor_config.json",
                                        "open_clip_config.json",
                                        "model.safetensors.index.json",
                                        "tokenizer.json",
                                        "merges.txt",
                                        "README.md"};
    enum { N = sizeof names / sizeof *names };
    static int last = -1;
    if (n_bytes == 0)
        return 0;
    int which = data[0] % 8 % N;
    if (which != last) {
        for (int i = 0; i < N; i++)
            folder_remove(names[i]);
        folder_remove("model.safetensors");
        folder_remove("hf.safetensors");
        if (which == 2) {
            folder_copy("open_clip.safetensors", "model.safetensors");
        } else {
            folder_copy("hf.safetensors", which == 3 ? "hf.safetensors" : "model.safetensors");
            folder_write("config.json", config, sizeof config - 1);
        }
        last = which;
    }
    folder_write(names[which], data + 1, n_bytes - 1);
    folder_open_source("");
    return 0;
}
