// tarn fsck: everything that is stored, read and compared with its checksums. Changes nothing.
#pragma once

#include "server/engine.h"

namespace tarn::server {

// Of an open directory. The document:
// {"schema_version":1,"items":[{"place","what","next"}],"complete":true,…}
Result<codec::Json> check_stored(Engine& engine);
// Of one that nobody serves, under its lock alone: also where damage keeps Tarn from opening it.
Result<codec::Json> check_stored(const std::string& directory, const std::string& command);

}  // namespace tarn::server
