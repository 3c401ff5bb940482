// The part that both tables of a stream share: pulling events from lake::Scan into chunks, and keeping the
// accounts.
#pragma once

#include <memory>
#include <vector>

#include "query/stream_tables.h"

namespace tarn::query {

class StreamScan : public duck::TableScan {
public:
    Result<std::size_t> fill(duck::ChunkWriter& chunk) final;

protected:
    StreamScan(TableSource source, std::vector<bool> wanted, bool quarantine, std::size_t hash_column);
    // Sets the wanted columns of one row.
    virtual void set_row(duck::ChunkWriter& chunk, std::size_t row, const event::StoredEvent& event) = 0;
    bool wants(std::size_t column) const { return wanted_[column]; }
    const std::string& stream_name() const { return source_.view.name; }

private:
    Status open();

    TableSource source_;
    std::vector<bool> wanted_;
    lake::ScanOptions options_;
    std::unique_ptr<lake::Scan> scan_;
    std::map<Partition, Offset> last_;
};

}  // namespace tarn::query
