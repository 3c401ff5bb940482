// Functions for runs: what replay/functions.h asks for, given by the functions and subscriptions of this data
// directory.
#pragma once

#include "replay/functions.h"
#include "server/processing.h"

namespace tarn::server {

class RunFunctions final : public replay::Functions {
public:
    // `refused`: the events of a group that a projection refused; none when it knows no such group.
    using RefusedOf = std::function<Result<std::vector<Position>>(const std::string& group)>;
    RunFunctions(Processing& processing, RefusedOf refused)
        : processing_(processing), refused_(std::move(refused)) {}

    Result<replay::FunctionInfo> function(std::string_view name) override;
    Result<std::vector<replay::SubscriptionInfo>> subscriptions() override;
    Status dead_letters(std::string_view group, const std::function<Status(const Position&)>& take) override;
    Status check_can_run(std::string_view what) override;
    Result<std::unique_ptr<replay::FunctionAtWork>> open(const std::string& function,
                                                         const std::string& copy) override;

private:
    Processing& processing_;
    const RefusedOf refused_;
};

}  // namespace tarn::server
