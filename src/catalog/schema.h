// catalog.db's tables (docs/formats/catalog.md).
#pragma once

#include <string_view>

namespace tarn::catalog {

inline constexpr int format_version = 1;

// AUTOINCREMENT keeps ids from being used again even if rows were removed.
inline constexpr std::string_view schema_sql = R"(
CREATE TABLE streams(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    created INTEGER NOT NULL,
    rolled_sequence INTEGER NOT NULL DEFAULT 1,
    deleted INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX streams_living ON streams(name) WHERE deleted = 0;

CREATE TABLE objects(
    name TEXT PRIMARY KEY NOT NULL,
    stream INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    first_ingested INTEGER NOT NULL,
    last_ingested INTEGER NOT NULL,
    min_time INTEGER NOT NULL,
    max_time INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    types TEXT NOT NULL,
    min_key TEXT NOT NULL,
    max_key TEXT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX objects_by_offset ON objects(stream, partition, first);
CREATE INDEX objects_by_time ON objects(stream, max_time, min_time);
CREATE INDEX objects_by_ingest ON objects(stream, last_ingested, first_ingested);

CREATE TABLE positions(
    stream INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY(stream, partition)) WITHOUT ROWID;

CREATE TABLE rolls(
    stream INTEGER PRIMARY KEY,
    from_sequence INTEGER NOT NULL,
    until_sequence INTEGER NOT NULL);

CREATE TABLE origins(
    producer TEXT PRIMARY KEY NOT NULL,
    sequence INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    answer TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE documents(
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY(kind, id));
CREATE INDEX documents_by_age ON documents(kind, created);

CREATE TABLE counters(name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE facts(name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;
)";

}  // namespace tarn::catalog
