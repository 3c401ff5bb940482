// Makes a Table of ours a table function of the engine.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "duck/api.h"
#include "duck/duck.h"

namespace tarn::duck {

// The first error that a scan of ours gave in a query: the engine passes on only its message, so select()
// takes the whole from here. Thread-safe: the engine may run two scans side by side.
class ScanFailure {
public:
    void keep(const Error& error) {
        const std::scoped_lock lock(mutex_);
        if (!error_) error_ = error;
    }
    // Gives it away.
    std::optional<Error> take() {
        const std::scoped_lock lock(mutex_);
        return std::exchange(error_, std::nullopt);
    }

private:
    std::mutex mutex_;
    std::optional<Error> error_;
};

// `api` and `failure` must outlive the connection; the function keeps `table`. Values of columns that are not
// projected may be set and are dropped. Each scan runs on one thread, so that rows come in the table's own
// order.
Status register_table_function(const Api& api, duckdb_connection connection, const std::string& name,
                               std::shared_ptr<Table> table, std::shared_ptr<ScanFailure> failure);

}  // namespace tarn::duck
