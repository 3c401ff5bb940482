#include "catalog/catalog.h"

#include <fmt/core.h>

#include "base/nearest.h"
#include "catalog/connection.h"
#include "catalog/schema.h"

namespace tarn::catalog {

using codec::Json;
using sqlite::Database;
using sqlite::Statement;

namespace {

constexpr StreamId system_stream{0};
constexpr std::string_view system_stream_name = "_tarn";

// SQLite's integers are signed; numbers of ours that need all 64 bits (tags) survive the round trip bit for
// bit.
std::int64_t to_column(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t unsigned_at(const Statement& row, int column) {
    return static_cast<std::uint64_t>(row.integer(column));
}

Result<Json> json_at(const Statement& row, int column, std::string_view what) {
    auto parsed = Json::parse(row.text(column));
    if (parsed) return parsed;
    Error error =
        make_error(Code::catalog_failed, fmt::format("{}: not JSON: {}", what, parsed.error().message),
                   {.next = "tarn fsck"});
    error.kind = ErrorKind::corrupt;
    return fail(std::move(error));
}

// Columns: id, name, settings, created, rolled_sequence.
#define TARN_STREAM_COLUMNS "id, name, settings, created, rolled_sequence"
Result<StreamInfo> stream_of(const Statement& row) {
    StreamInfo info;
    info.id = StreamId{static_cast<std::uint32_t>(row.integer(0))};
    info.name = row.text(1);
    TARN_ASSIGN(const Json settings, json_at(row, 2, fmt::format("settings of stream {}", info.name)));
    TARN_ASSIGN(info.settings, event::StreamSettings::from_json(settings));
    info.created = Time{row.integer(3)};
    info.rolled_sequence = unsigned_at(row, 4);
    return info;
}

#define TARN_OBJECT_COLUMNS                                                                                \
    "name, stream, partition, first, last, first_sequence, last_sequence, first_ingested, last_ingested, " \
    "min_time, "                                                                                           \
    "max_time, events, bytes, raw_bytes, sha256, types, min_key, max_key"
Result<ObjectInfo> object_of(const Statement& row) {
    ObjectInfo info;
    info.name = row.text(0);
    info.stream = StreamId{static_cast<std::uint32_t>(row.integer(1))};
    info.partition = static_cast<Partition>(row.integer(2));
    info.first = unsigned_at(row, 3);
    info.last = unsigned_at(row, 4);
    info.first_sequence = unsigned_at(row, 5);
    info.last_sequence = unsigned_at(row, 6);
    info.first_ingested = Time{row.integer(7)};
    info.last_ingested = Time{row.integer(8)};
    info.min_time = Time{row.integer(9)};
    info.max_time = Time{row.integer(10)};
    info.events = unsigned_at(row, 11);
    info.bytes = unsigned_at(row, 12);
    info.raw_bytes = unsigned_at(row, 13);
    info.sha256 = row.text(14);
    TARN_ASSIGN(const Json types, json_at(row, 15, info.name));
    for (const Json& type : types.elements()) info.types.push_back(type.as_string());
    info.min_key = row.text(16);
    info.max_key = row.text(17);
    return info;
}

Status insert_object(Connection& connection, const ObjectInfo& info) {
    TARN_ASSIGN(const Use insert, connection.use("INSERT INTO objects(" TARN_OBJECT_COLUMNS
                                                 ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"));
    Json types = Json::array();
    for (const std::string& type : info.types) types.push(type);
    insert->bind(1, info.name).bind(2, info.stream.value).bind(3, info.partition);
    insert->bind(4, to_column(info.first)).bind(5, to_column(info.last));
    insert->bind(6, to_column(info.first_sequence)).bind(7, to_column(info.last_sequence));
    insert->bind(8, info.first_ingested.us).bind(9, info.last_ingested.us);
    insert->bind(10, info.min_time.us).bind(11, info.max_time.us);
    insert->bind(12, to_column(info.events))
        .bind(13, to_column(info.bytes))
        .bind(14, to_column(info.raw_bytes));
    insert->bind(15, info.sha256).bind(16, types.dump()).bind(17, info.min_key).bind(18, info.max_key);
    return insert->run();
}

Document document_of(const Statement& row, Json body) {
    return {std::string(row.text(0)), std::string(row.text(1)), Time{row.integer(2)}, std::move(body)};
}

class SqliteCatalog final : public Catalog {
public:
    SqliteCatalog(Database writer, Database reader, Database origins)
        : writer_(std::move(writer)), reader_(std::move(reader)), origins_(std::move(origins)) {}

    Result<StreamInfo> create_stream(const std::string& name, const event::StreamSettings& settings,
                                     Time now) override;
    Result<StreamInfo> stream(std::string_view name) override;
    Result<StreamInfo> stream(StreamId id) override;
    Result<std::vector<StreamInfo>> streams() override;
    Status update_stream(StreamId id, const event::StreamSettings& settings) override;
    Status delete_stream(StreamId id) override;

    Result<std::optional<RollIntent>> pending_roll(StreamId stream) override;
    Status begin_roll(const RollIntent& intent) override;
    Status commit_roll(const RollCommit& commit) override;
    Result<std::vector<ObjectInfo>> objects(StreamId stream) override;
    Result<StreamObjects> stream_objects(StreamId stream) override;
    Result<std::optional<ObjectInfo>> object_at(Position position) override;
    Result<std::map<std::pair<StreamId, Partition>, Offset>> next_offsets() override;
    Result<Sequence> max_sequence() override;
    Result<bool> has_history() override;
    Result<std::vector<std::string>> problems() override;
    Result<std::optional<OriginRecord>> origin(std::string_view producer) override;

    Status put_document(const Document& document) override;
    Result<std::optional<Document>> document(std::string_view kind, std::string_view id) override;
    Result<std::vector<Document>> documents(std::string_view kind) override;
    Status delete_document(std::string_view kind, std::string_view id) override;
    Result<std::uint64_t> next_number(std::string_view counter) override;

private:
    Failure unknown_stream(std::string_view name);
    Result<std::vector<ObjectInfo>> objects_locked(StreamId stream);
    Status write_commit(const RollCommit& commit);
    Status write_positions(const RollCommit& commit);
    Status write_origins(const RollCommit& commit);

    Connection writer_;
    Connection reader_;
    Connection origins_;  // of its own: the log asks while capture waits, and must not stand behind a long
                          // list of objects
};

// ---- streams
// ----------------------------------------------------------------------------------------------------------

Failure SqliteCatalog::unknown_stream(std::string_view name) {
    std::vector<std::string> names;
    if (auto all = streams())
        for (StreamInfo& info : *all) names.push_back(std::move(info.name));
    const std::string nearest = nearest_word(name, names);
    std::string message = fmt::format("there is no stream \"{}\"", name.substr(0, 200));
    if (!nearest.empty()) message += fmt::format("; did you mean \"{}\"?", nearest);
    return fail(Code::unknown_stream, std::move(message), {.next = "tarn stream list"});
}

Result<StreamInfo> SqliteCatalog::create_stream(const std::string& name,
                                                const event::StreamSettings& settings, Time now) {
    if (!event::is_valid_stream_name(name))
        return fail(
            Code::bad_stream_name,
            fmt::format("\"{}\": expected 1 to 64 characters a-z, 0-9, _ or -, beginning with a letter",
                        std::string_view(name).substr(0, 200)));
    const std::lock_guard lock(writer_.mutex);
    TARN_TRY(writer_.database.transaction([&]() -> Status {
        TARN_ASSIGN(const Use taken, writer_.use("SELECT 1 FROM streams WHERE name = ? AND deleted = 0"));
        TARN_ASSIGN(const bool exists, taken->bind(1, name).step());
        if (exists)
            return fail(Code::stream_exists, fmt::format("stream \"{}\" exists", name),
                        {.next = "tarn stream show " + name});
        TARN_ASSIGN(const Use insert,
                    writer_.use("INSERT INTO streams(name, settings, created) VALUES (?, ?, ?)"));
        return insert->bind(1, name).bind(2, settings.to_json().dump()).bind(3, now.us).run();
    }));
    TARN_ASSIGN(const Use select,
                writer_.use("SELECT " TARN_STREAM_COLUMNS " FROM streams WHERE name = ? AND deleted = 0"));
    TARN_ASSIGN(const bool found, select->bind(1, name).step());
    if (!found) return fail(Code::internal, fmt::format("stream {} vanished while it was made", name));
    return stream_of(*select);
}

Result<StreamInfo> SqliteCatalog::stream(std::string_view name) {
    {
        const std::lock_guard lock(reader_.mutex);
        TARN_ASSIGN(const Use select, reader_.use("SELECT " TARN_STREAM_COLUMNS
                                                  " FROM streams WHERE name = ? AND deleted = 0"));
        TARN_ASSIGN(const bool found, select->bind(1, name).step());
        if (found) return stream_of(*select);
    }
    return unknown_stream(name);
}

Result<StreamInfo> SqliteCatalog::stream(StreamId id) {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(const Use select,
                reader_.use("SELECT " TARN_STREAM_COLUMNS " FROM streams WHERE id = ? AND deleted = 0"));
    TARN_ASSIGN(const bool found, select->bind(1, id.value).step());
    if (found) return stream_of(*select);
    return fail(Code::unknown_stream, fmt::format("there is no stream with id {}", id.value),
                {.next = "tarn stream list"});
}

Result<std::vector<StreamInfo>> SqliteCatalog::streams() {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(const Use select, reader_.use("SELECT " TARN_STREAM_COLUMNS
                                              " FROM streams WHERE deleted = 0 ORDER BY id = 0, name"));
    std::vector<StreamInfo> all;
    for (;;) {
        TARN_ASSIGN(const bool row, select->step());
        if (!row) return all;
        TARN_ASSIGN(StreamInfo info, stream_of(*select));
        all.push_back(std::move(info));
    }
}

Status SqliteCatalog::update_stream(StreamId id, const event::StreamSettings& settings) {
    TARN_ASSIGN(const StreamInfo before, stream(id));
    if (before.settings.partitions != settings.partitions)
        return fail(Code::stream_exists,
                    fmt::format("stream {} has {} partitions and keeps them; {} were asked for", before.name,
                                before.settings.partitions, settings.partitions),
                    {.next = "make another stream and replay into it"});
    const std::lock_guard lock(writer_.mutex);
    TARN_ASSIGN(const Use update,
                writer_.use("UPDATE streams SET settings = ? WHERE id = ? AND deleted = 0"));
    return update->bind(1, settings.to_json().dump()).bind(2, id.value).run();
}

Status SqliteCatalog::delete_stream(StreamId id) {
    if (id == system_stream)
        return fail(Code::not_allowed_here, "the stream _tarn is Tarn's own record and cannot be deleted");
    TARN_TRY(stream(id));
    const std::lock_guard lock(writer_.mutex);
    return writer_.database.transaction([&]() -> Status {
        TARN_ASSIGN(const Use update, writer_.use("UPDATE streams SET deleted = 1 WHERE id = ?"));
        TARN_TRY(update->bind(1, id.value).run());
        TARN_ASSIGN(const Use drop, writer_.use("DELETE FROM rolls WHERE stream = ?"));
        return drop->bind(1, id.value).run();
    });
}

// ---- objects and positions
// --------------------------------------------------------------------------------------------

Result<std::optional<RollIntent>> SqliteCatalog::pending_roll(StreamId stream) {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(const Use select,
                reader_.use("SELECT from_sequence, until_sequence FROM rolls WHERE stream = ?"));
    TARN_ASSIGN(const bool found, select->bind(1, stream.value).step());
    if (!found) return std::optional<RollIntent>();
    return std::optional(RollIntent{stream, unsigned_at(*select, 0), unsigned_at(*select, 1)});
}

Status SqliteCatalog::begin_roll(const RollIntent& intent) {
    TARN_ASSIGN(const auto pending, pending_roll(intent.stream));
    if (pending && (pending->from != intent.from || pending->until != intent.until))
        return fail(Code::internal,
                    fmt::format("a roll of stream {} from {} until {} is not finished; another was begun",
                                intent.stream.value, pending->from, pending->until));
    if (pending) return {};
    const std::lock_guard lock(writer_.mutex);
    TARN_ASSIGN(const Use insert,
                writer_.use("INSERT INTO rolls(stream, from_sequence, until_sequence) VALUES (?, ?, ?)"));
    return insert->bind(1, intent.stream.value)
        .bind(2, to_column(intent.from))
        .bind(3, to_column(intent.until))
        .run();
}

Status SqliteCatalog::write_positions(const RollCommit& commit) {
    for (const auto& [partition, next] : commit.next_offsets) {
        TARN_ASSIGN(const Use upsert,
                    writer_.use("INSERT INTO positions(stream, partition, next_offset) VALUES (?1, ?2, ?3) "
                                "ON CONFLICT DO UPDATE SET next_offset = max(next_offset, ?3)"));
        TARN_TRY(upsert->bind(1, commit.stream.value).bind(2, partition).bind(3, to_column(next)).run());
    }
    TARN_ASSIGN(const Use advance,
                writer_.use("UPDATE streams SET rolled_sequence = max(rolled_sequence, ?2) WHERE id = ?1"));
    TARN_TRY(advance->bind(1, commit.stream.value).bind(2, to_column(commit.rolled_sequence)).run());
    if (commit.rolled_sequence == 0) return {};
    TARN_ASSIGN(const Use highest, writer_.use("INSERT INTO facts(name, value) VALUES ('max_sequence', ?1) "
                                               "ON CONFLICT DO UPDATE SET value = max(value, ?1)"));
    return highest->bind(1, to_column(commit.rolled_sequence - 1)).run();
}

// A producer may write to several streams, whose rolls come in any order: the highest sequence stays.
Status SqliteCatalog::write_origins(const RollCommit& commit) {
    for (const OriginRecord& origin : commit.origins) {
        TARN_ASSIGN(
            const Use upsert,
            writer_.use(
                "INSERT INTO origins(producer, sequence, tag, answer) VALUES (?1, ?2, ?3, ?4) ON CONFLICT "
                "DO UPDATE SET sequence = ?2, tag = ?3, answer = ?4 WHERE sequence <= ?2"));
        upsert->bind(1, origin.producer).bind(2, to_column(origin.sequence)).bind(3, to_column(origin.tag));
        TARN_TRY(upsert->bind(4, origin.answer.dump()).run());
    }
    return {};
}

Status SqliteCatalog::write_commit(const RollCommit& commit) {
    for (const ObjectInfo& info : commit.objects) TARN_TRY(insert_object(writer_, info));
    TARN_TRY(write_positions(commit));
    TARN_TRY(write_origins(commit));
    TARN_ASSIGN(const Use done, writer_.use("DELETE FROM rolls WHERE stream = ?"));
    return done->bind(1, commit.stream.value).run();
}

Status SqliteCatalog::commit_roll(const RollCommit& commit) {
    const std::lock_guard lock(writer_.mutex);
    return writer_.database.transaction([&] { return write_commit(commit); });
}

Result<std::vector<ObjectInfo>> SqliteCatalog::objects_locked(StreamId stream) {
    TARN_ASSIGN(const Use select, reader_.use("SELECT " TARN_OBJECT_COLUMNS
                                              " FROM objects WHERE stream = ? ORDER BY partition, first"));
    select->bind(1, stream.value);
    std::vector<ObjectInfo> all;
    for (;;) {
        TARN_ASSIGN(const bool row, select->step());
        if (!row) return all;
        TARN_ASSIGN(ObjectInfo info, object_of(*select));
        all.push_back(std::move(info));
    }
}

Result<std::vector<ObjectInfo>> SqliteCatalog::objects(StreamId stream) {
    const std::lock_guard lock(reader_.mutex);
    return objects_locked(stream);
}

// Two statements in one read transaction see the same rows.
Result<StreamObjects> SqliteCatalog::stream_objects(StreamId stream) {
    const std::lock_guard lock(reader_.mutex);
    TARN_TRY(reader_.database.execute("BEGIN"));
    const auto read = [&]() -> Result<StreamObjects> {
        StreamObjects found;
        TARN_ASSIGN(const Use select,
                    reader_.use("SELECT rolled_sequence FROM streams WHERE id = ? AND deleted = 0"));
        TARN_ASSIGN(const bool exists, select->bind(1, stream.value).step());
        if (!exists)
            return fail(Code::unknown_stream, fmt::format("there is no stream with id {}", stream.value),
                        {.next = "tarn stream list"});
        found.rolled_sequence = unsigned_at(*select, 0);
        TARN_ASSIGN(found.objects, objects_locked(stream));
        return found;
    };
    Result<StreamObjects> found = read();
    TARN_TRY(reader_.database.execute("COMMIT"));
    return found;
}

Result<std::optional<ObjectInfo>> SqliteCatalog::object_at(Position position) {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(const Use select,
                reader_.use("SELECT " TARN_OBJECT_COLUMNS
                            " FROM objects WHERE stream = ?1 AND partition = ?2 AND first <= ?3 "
                            "ORDER BY first DESC LIMIT 1"));
    if (position.offset > INT64_MAX) return std::optional<ObjectInfo>();
    select->bind(1, position.stream.value).bind(2, position.partition).bind(3, to_column(position.offset));
    TARN_ASSIGN(const bool found, select->step());
    if (!found || unsigned_at(*select, 4) < position.offset) return std::optional<ObjectInfo>();
    TARN_ASSIGN(ObjectInfo info, object_of(*select));
    return std::optional(std::move(info));
}

Result<std::map<std::pair<StreamId, Partition>, Offset>> SqliteCatalog::next_offsets() {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(const Use select, reader_.use("SELECT stream, partition, next_offset FROM positions"));
    std::map<std::pair<StreamId, Partition>, Offset> next;
    for (;;) {
        TARN_ASSIGN(const bool row, select->step());
        if (!row) return next;
        const StreamId stream{static_cast<std::uint32_t>(select->integer(0))};
        next[{stream, static_cast<Partition>(select->integer(1))}] = unsigned_at(*select, 2);
    }
}

Result<Sequence> SqliteCatalog::max_sequence() {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(const Use select, reader_.use("SELECT value FROM facts WHERE name = 'max_sequence'"));
    TARN_ASSIGN(const bool found, select->step());
    return found ? unsigned_at(*select, 0) : 0;
}

Result<bool> SqliteCatalog::has_history() {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(
        const Use select,
        reader_.use("SELECT EXISTS(SELECT 1 FROM streams WHERE id > 0) OR EXISTS(SELECT 1 FROM facts) "
                    "OR EXISTS(SELECT 1 FROM documents)"));
    TARN_TRY(select->step());
    return select->integer(0) != 0;
}

Result<std::vector<std::string>> SqliteCatalog::problems() {
    const std::lock_guard lock(reader_.mutex);
    return sqlite::integrity_problems(reader_.database);
}

Result<std::optional<OriginRecord>> SqliteCatalog::origin(std::string_view producer) {
    const std::lock_guard lock(origins_.mutex);
    TARN_ASSIGN(const Use select,
                origins_.use("SELECT sequence, tag, answer FROM origins WHERE producer = ?"));
    TARN_ASSIGN(const bool found, select->bind(1, producer).step());
    if (!found) return std::optional<OriginRecord>();
    OriginRecord record{std::string(producer), unsigned_at(*select, 0), unsigned_at(*select, 1), {}};
    TARN_ASSIGN(record.answer, json_at(*select, 2, fmt::format("answer to producer {}", producer)));
    return std::optional(std::move(record));
}

// ---- documents
// --------------------------------------------------------------------------------------------------------
// Kinds in use: plan, run, job, import, snapshot, store, projection.

Status SqliteCatalog::put_document(const Document& document) {
    const std::lock_guard lock(writer_.mutex);
    TARN_ASSIGN(const Use upsert,
                writer_.use("INSERT INTO documents(kind, id, created, body) VALUES (?1, ?2, ?3, ?4) "
                            "ON CONFLICT(kind, id) DO UPDATE SET body = ?4"));
    upsert->bind(1, document.kind).bind(2, document.id).bind(3, document.created.us);
    return upsert->bind(4, document.body.dump()).run();
}

Result<std::optional<Document>> SqliteCatalog::document(std::string_view kind, std::string_view id) {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(const Use select,
                reader_.use("SELECT kind, id, created, body FROM documents WHERE kind = ? AND id = ?"));
    TARN_ASSIGN(const bool found, select->bind(1, kind).bind(2, id).step());
    if (!found) return std::optional<Document>();
    TARN_ASSIGN(Json body, json_at(*select, 3, fmt::format("{} {}", kind, id)));
    return std::optional(document_of(*select, std::move(body)));
}

Result<std::vector<Document>> SqliteCatalog::documents(std::string_view kind) {
    const std::lock_guard lock(reader_.mutex);
    TARN_ASSIGN(const Use select, reader_.use("SELECT kind, id, created, body FROM documents WHERE kind = ? "
                                              "ORDER BY created DESC, rowid DESC"));
    select->bind(1, kind);
    std::vector<Document> all;
    for (;;) {
        TARN_ASSIGN(const bool row, select->step());
        if (!row) return all;
        TARN_ASSIGN(Json body, json_at(*select, 3, fmt::format("{} {}", kind, select->text(1))));
        all.push_back(document_of(*select, std::move(body)));
    }
}

Status SqliteCatalog::delete_document(std::string_view kind, std::string_view id) {
    const std::lock_guard lock(writer_.mutex);
    TARN_ASSIGN(const Use remove, writer_.use("DELETE FROM documents WHERE kind = ? AND id = ?"));
    return remove->bind(1, kind).bind(2, id).run();
}

Result<std::uint64_t> SqliteCatalog::next_number(std::string_view counter) {
    const std::lock_guard lock(writer_.mutex);
    TARN_ASSIGN(const Use next, writer_.use("INSERT INTO counters(name, value) VALUES (?, 1) "
                                            "ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value"));
    TARN_ASSIGN(const bool row, next->bind(1, counter).step());
    if (!row) return fail(Code::internal, "a counter gave no value");
    const std::uint64_t number = unsigned_at(*next, 0);
    TARN_TRY(next->run());  // the row is committed when the statement has ended
    return number;
}

// ---- opening
// ----------------------------------------------------------------------------------------------------------

Result<std::int64_t> number_of(Database& database, std::string_view sql) {
    TARN_ASSIGN(Statement statement, database.prepare(sql));
    TARN_ASSIGN(const bool row, statement.step());
    return row ? statement.integer(0) : 0;
}

// One process owns a data directory, so SQLite's index of the write-ahead file can stand in memory. In a file
// (catalog.db-shm) it would need blocks of the disk at every start, which a full disk does not have.
sqlite::OpenOptions of_one_process(const CatalogOptions& options) {
    return {.vfs = options.vfs != nullptr ? options.vfs : "unix-excl"};
}

Status check_known(const std::string& path, std::int64_t version) {
    if (version <= format_version) return {};
    return fail(
        Code::newer_format,
        fmt::format("catalog has format version {}, this Tarn knows up to {}", version, format_version),
        {.place = {.source = path}, .next = "use the version of Tarn that wrote it, or a newer one"});
}

// Looked at through a connection that cannot write: a newer catalog is left exactly as it is.
Status check_version(const std::string& path, const CatalogOptions& options) {
    auto probe = Database::open(path, {.read_only = true, .immutable = true, .vfs = options.vfs});
    if (!probe) return {};  // absent; other causes are met again when it is opened for writing
    // Also when it cannot be read: a checkpoint that a power cut tore is made whole by the write-ahead file.
    const auto version = number_of(*probe, "PRAGMA user_version");
    if (!version) return {};
    TARN_TRY(check_known(path, *version));
    if (*version > 0) return {};
    const auto tables = number_of(*probe, "SELECT count(*) FROM sqlite_schema");
    if (!tables || *tables == 0) return {};
    return fail(Code::not_a_data_directory, "a SQLite database, but not a catalog",
                {.place = {.source = path}});
}

Status create_schema(Database& database, const std::string& path) {
    return database.transaction([&]() -> Status {
        TARN_ASSIGN(const std::int64_t version, number_of(database, "PRAGMA user_version"));
        if (version == format_version) return {};
        TARN_TRY(check_known(path, version));  // as the write-ahead file says it
        TARN_TRY(database.execute(std::string(schema_sql)));
        TARN_ASSIGN(Statement insert,
                    database.prepare("INSERT INTO streams(id, name, settings, created) VALUES (?, ?, ?, 0)"));
        const std::string settings = event::StreamSettings().to_json().dump();
        TARN_TRY(insert.bind(1, system_stream.value).bind(2, system_stream_name).bind(3, settings).run());
        return database.execute(fmt::format("PRAGMA user_version = {}", format_version));
    });
}

Result<Database> open_reader(const std::string& path, const CatalogOptions& options) {
    TARN_ASSIGN(Database reader, Database::open(path, of_one_process(options)));
    // Whoever closes last writes the file.
    if (!options.sync) TARN_TRY(reader.execute("PRAGMA synchronous=OFF"));
    TARN_TRY(reader.execute("PRAGMA query_only = ON"));
    return reader;
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(const std::string& path, const CatalogOptions& options) {
    TARN_TRY(check_version(path, options));
    TARN_ASSIGN(Database writer, Database::open(path, of_one_process(options)));
    if (!options.sync) TARN_TRY(writer.execute("PRAGMA synchronous=OFF"));
    TARN_TRY(create_schema(writer, path));
    TARN_ASSIGN(Database reader, open_reader(path, options));
    TARN_ASSIGN(Database origins, open_reader(path, options));
    return std::make_unique<SqliteCatalog>(std::move(writer), std::move(reader), std::move(origins));
}

}  // namespace tarn::catalog
