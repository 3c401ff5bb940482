// tarn.yaml as it was written: its settings, and where in the file each of them stands.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"

namespace tarn::server {

// A path names a setting: "streams.bank.roll.age", "projections.totals.on[0].sql"; "" is the whole file.
struct ConfigFile {
    std::string name;
    codec::Json settings;
    std::map<std::string, Place, std::less<>> keys;    // where the name of each stands
    std::map<std::string, Place, std::less<>> values;  // where its value does
    std::set<std::string, std::less<>> misspelt;       // what has a key below it that does not exist

    // Of the value; of the nearest thing around it when there is none.
    Place place_of(std::string_view path) const;
    Place key_place_of(std::string_view path) const;
    bool is_misspelt_within(std::string_view path) const;
};

// The file as JSON: scalars that YAML would read as numbers or booleans are what JSON calls them, everything
// else is text. Fails when the text is no YAML mapping at all. Keys that do not exist or stand twice are
// added to `mistakes`, with the nearest known key; what the file says otherwise is still read.
Result<ConfigFile> read_config_file(const std::string& text, const std::string& name,
                                    std::vector<Error>& mistakes);

// Any YAML as JSON, by the same rules, whatever keys it has; errors name line and column.
Result<codec::Json> read_yaml(const std::string& text, const std::string& name);

}  // namespace tarn::server
