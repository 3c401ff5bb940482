// The files an import reads, in the order it reads them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/file_system.h"

namespace tarn::capture {

struct SourceFile {
    std::string path;      // to open it; also how it is shown to people
    std::string identity;  // absolute and normal: the same file however it was named
    std::string name;      // the path without .gz or .zst: what name_pattern sees
};

struct SourceList {
    std::vector<SourceFile> files;
    std::vector<Error> failed;  // sources that are not there or cannot be listed (unreadable_source)
};

// Sources in the order given. A directory gives all files below it by their path relative to it, a glob what
// it matches by path, both in byte order. In a glob, * ? [] match within a name and ** any number of folders;
// as in a shell, they do not match a leading dot. A file reached twice is listed once. Fails only for what
// cannot work at all: no source, or an archive of a kind that is not built yet (not_built).
Result<SourceList> list_sources(os::FileSystem& fs, const std::vector<std::string>& sources);

}  // namespace tarn::capture
