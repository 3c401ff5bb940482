// The functions' side of stores: which subscriptions feed a store, how they are held while its state is kept
// or replaced, and where they stand.
#pragma once

#include "server/processing.h"
#include "state/outside_feeders.h"

namespace tarn::server {

class StoreFeeders final : public state::OutsideFeeders {
public:
    explicit StoreFeeders(Processing& processing) : processing_(processing) {}

    Result<std::vector<std::string>> feeders_of(const std::string& store) override;
    Result<std::shared_ptr<void>> quiesce(const std::string& store) override;
    Result<std::shared_ptr<void>> end_programs(const std::string& store) override;
    Result<std::vector<state::FeederPosition>> positions(const std::string& store) override;
    Result<bool> is_paused(const std::string& store) override;
    Status set_paused(const std::string& store, bool paused) override;
    Result<codec::Json> plan_placement(const std::string& store,
                                       const std::vector<state::FeederPosition>& positions,
                                       bool paused) override;
    Status place(const codec::Json& plan) override;

private:
    Processing& processing_;
};

}  // namespace tarn::server
