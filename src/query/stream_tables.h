// What a query sees of a stream: <stream>.events and <stream>.quarantine, read from objects and the log's
// tail through lake::Scan. The columns are listed in docs/reference/sql.md.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "duck/duck.h"
#include "lake/scan.h"

namespace tarn::query {

// What all scans of one query have read; outlives them. Thread-safe: the engine may run two scans side by
// side.
class ReadState {
public:
    void add(const std::string& stream, std::uint64_t events, const std::map<Partition, Offset>& last);
    void add_damage(const Error& error);

    std::uint64_t events() const;
    std::vector<std::string> damage() const;  // each once, sorted
    codec::Json positions_json() const;       // {"bank":{"0":2511}}: the last offsets read

private:
    mutable std::mutex mutex_;
    std::uint64_t events_ = 0;
    std::set<std::string> damage_;
    std::map<std::string, std::map<Partition, Offset>> last_;
};

struct TableSource {
    objects::ObjectStore& store;
    os::FileSystem& fs;
    lake::StreamView view;
    ReadState& read;
};

std::shared_ptr<duck::Table> make_events_table(TableSource source);
std::shared_ptr<duck::Table> make_quarantine_table(TableSource source);

}  // namespace tarn::query
