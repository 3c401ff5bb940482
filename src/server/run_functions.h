// Functions for runs: what replay/functions.h asks for, given by the functions and subscriptions of this data
// directory.
#pragma once

#include "replay/functions.h"
#include "server/processing.h"

namespace tarn::server {

class RunFunctions final : public replay::Functions {
public:
    explicit RunFunctions(Processing& processing) : processing_(processing) {}

    Result<replay::FunctionInfo> function(std::string_view name) override;
    Result<std::vector<replay::SubscriptionInfo>> subscriptions() override;
    Status check_can_run(std::string_view what) override;
    Result<std::unique_ptr<replay::FunctionAtWork>> open(const std::string& function,
                                                         const std::string& copy) override;

private:
    Processing& processing_;
};

}  // namespace tarn::server
