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
    std::string identity;  // where it really is: the same file however it was named
    std::string name;      // the path without .gz or .zst: what name_pattern sees
};

struct SourceList {
    std::vector<SourceFile> files;
    std::vector<Error> failed;  // sources that are not there or cannot be listed (unreadable_source)
};

// Sources in the order given. A directory gives all files below it by their path relative to it, a glob what
// it matches by path, both in byte order. In a glob, * ? [] match within a name and ** any number of folders;
// as in a shell, they do not match a leading dot. A file or folder reached twice, through links too, is read
// once, under its own name where that is among the names. Only regular files are sources. Fails only
// when no source is given.
Result<SourceList> list_sources(os::FileSystem& fs, const std::vector<std::string>& sources);

// A name without .gz or .zst.
std::string without_packing(std::string_view name);

}  // namespace tarn::capture
