/* The tables, version by version. A step that has been released is never changed. */
#include "store.h"
#include "tx.h"

static const char *const steps[STORE_VERSION] = {
    /* 1: heads and keys */
    "CREATE TABLE heads ("
    " name TEXT PRIMARY KEY, model TEXT NOT NULL, fingerprint TEXT NOT NULL, kind TEXT NOT NULL,"
    " owner TEXT NOT NULL, etag TEXT NOT NULL, n_labels BIGINT NOT NULL, n_bytes BIGINT NOT NULL,"
    " created_ms BIGINT NOT NULL, bytes BYTEA NOT NULL);"
    "CREATE TABLE keys ("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL, salt BYTEA NOT NULL, hash BYTEA NOT NULL,"
    " requests_a_day BIGINT NOT NULL, heads_a_day BIGINT NOT NULL, bytes_a_day BIGINT NOT NULL,"
    " concurrency BIGINT NOT NULL, created_ms BIGINT NOT NULL, revoked_ms BIGINT NOT NULL);",
    /* 2: usage, and the pace of keys */
    "CREATE TABLE usage ("
    " key_id TEXT NOT NULL, day BIGINT NOT NULL, requests BIGINT NOT NULL, heads BIGINT NOT NULL,"
    " bytes BIGINT NOT NULL, PRIMARY KEY (key_id, day));"
    "ALTER TABLE keys ADD COLUMN rate_milli BIGINT NOT NULL DEFAULT -1;"
    "ALTER TABLE keys ADD COLUMN burst BIGINT NOT NULL DEFAULT -1;",
    /* 3: jobs */
    "CREATE TABLE jobs ("
    " id TEXT PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL, request TEXT NOT NULL,"
    " state TEXT NOT NULL, server TEXT NOT NULL, result TEXT NOT NULL, error TEXT NOT NULL,"
    " done BIGINT NOT NULL, total BIGINT NOT NULL, lease_ms BIGINT NOT NULL,"
    " created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, cancel BIGINT NOT NULL);"
    "CREATE INDEX jobs_by_state ON jobs (state, created_ms);",
    /* 4: what has been done of a job; apart, because a job's row is written again and again */
    "CREATE TABLE job_parts (job TEXT PRIMARY KEY, bytes BYTEA NOT NULL);",
    /* 5: who may see a head, and until when; what a key may do, until when, and its secret before the last */
    "ALTER TABLE heads ADD COLUMN visibility TEXT NOT NULL DEFAULT 'public';"
    "ALTER TABLE heads ADD COLUMN expires_ms BIGINT NOT NULL DEFAULT 0;"
    "CREATE INDEX heads_by_owner ON heads (owner);"
    "ALTER TABLE keys ADD COLUMN heads_kept BIGINT NOT NULL DEFAULT -1;"
    "ALTER TABLE keys ADD COLUMN bytes_kept BIGINT NOT NULL DEFAULT -1;"
    "ALTER TABLE keys ADD COLUMN expires_ms BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE keys ADD COLUMN read_only BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE keys ADD COLUMN only_heads TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE keys ADD COLUMN old_salt BYTEA;"
    "ALTER TABLE keys ADD COLUMN old_hash BYTEA;"
    "ALTER TABLE keys ADD COLUMN old_until_ms BIGINT NOT NULL DEFAULT 0;"
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, bytes BYTEA NOT NULL);",
    /* 6: what a job works on and what came of it, where that is more than a line: kind 'in' or 'out' */
    "CREATE TABLE job_files ("
    " job TEXT NOT NULL, kind TEXT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (job, kind));",
    /* 7: vectors of pictures, by owner and model; bytes: numbers of 32 bits; how many each owner has */
    "CREATE TABLE vectors ("
    " owner TEXT NOT NULL, fingerprint TEXT NOT NULL, id TEXT NOT NULL, bytes BYTEA NOT NULL,"
    " meta TEXT NOT NULL, added_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL,"
    " PRIMARY KEY (owner, fingerprint, id));"
    "CREATE INDEX vectors_by_end ON vectors (expires_ms) WHERE expires_ms > 0;"
    "CREATE TABLE vector_counts (owner TEXT PRIMARY KEY, n BIGINT NOT NULL);",
};

const char *store_migration(int version)
{
    return steps[version - 1];
}
