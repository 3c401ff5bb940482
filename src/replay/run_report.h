// The report document of a run, put together from its record in the catalog, its plan, its ledger and its
// manifest.
#pragma once

#include "codec/json.h"
#include "lake/lake.h"
#include "os/file_system.h"

namespace tarn::replay {

struct ReportInputs {
    lake::Lake& lake;
    os::FileSystem& fs;
    const codec::Json& record;  // the run's document
    const codec::Json& plan;
    std::string manifest_path, ledger_path;
    bool with_hashes = true;  // reads the whole manifest
};

Result<codec::Json> make_report(const ReportInputs& inputs);

}  // namespace tarn::replay
