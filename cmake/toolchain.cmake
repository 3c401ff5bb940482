# Compiler flags, ccache, mold, third-party packages.
find_program(CCACHE ccache)
if(CCACHE)
    # The base directory and the sloppiness let a clean clone reuse what another checkout compiled, PCH included.
    set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

# A designated initialiser that leaves members at their defaults is what we mean.
add_compile_options(-Wall -Wextra -Werror -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
    # g++ 12 reports these in correct code of its own library once optimised or instrumented.
    add_compile_options(-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-Wthread-safety -Wno-unused-command-line-argument -Wno-deprecated-declarations)
endif()
add_compile_definitions(_GNU_SOURCE)
if(TARN_OPT)
    string(REGEX REPLACE "-O[0-9s]" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
    string(REGEX REPLACE "-g" "-g1" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:${TARN_OPT}>)
endif()
if(TARN_SANITIZE)
    add_compile_options(-fsanitize=${TARN_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${TARN_SANITIZE})
endif()
if(TARN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
find_program(MOLD mold)
if(MOLD AND NOT TARN_FUZZ)
    add_link_options(-fuse-ld=mold)
endif()

find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
# Its -pthread would make the precompiled header unusable; Threads::Threads brings what is needed.
set_property(TARGET PkgConfig::RE2 PROPERTY INTERFACE_COMPILE_OPTIONS "")
find_package(GTest REQUIRED)

# SQLite's amalgamation as a library of its own: 30 s once, then ccache. Warnings are its authors' business.
add_library(tarn_sqlite3 STATIC ${TARN_DEPS}/sqlite/sqlite3.c)
target_include_directories(tarn_sqlite3 SYSTEM PUBLIC ${TARN_DEPS}/sqlite)
target_compile_options(tarn_sqlite3 PRIVATE -w -O2)
target_compile_definitions(tarn_sqlite3 PRIVATE SQLITE_DQS=0 SQLITE_THREADSAFE=2 SQLITE_DEFAULT_MEMSTATUS=0
    SQLITE_OMIT_LOAD_EXTENSION SQLITE_OMIT_DEPRECATED SQLITE_LIKE_DOESNT_MATCH_BLOBS SQLITE_MAX_EXPR_DEPTH=1000
    SQLITE_USE_URI=0 SQLITE_ENABLE_COLUMN_METADATA)
target_link_libraries(tarn_sqlite3 PRIVATE Threads::Threads m)

# What single layers need from outside. A layer not named here sees none of these headers.
set(tarn_external_base fmt::fmt Threads::Threads)
set(tarn_external_codec simdjson::simdjson PkgConfig::ZSTD PkgConfig::XXHASH ZLIB::ZLIB OpenSSL::Crypto)
set(tarn_external_event PkgConfig::RE2)
set(tarn_external_capture simdjson::simdjson)
set(tarn_external_lake simdjson::simdjson)
set(tarn_external_net CURL::libcurl OpenSSL::Crypto)
set(tarn_external_sqlite tarn_sqlite3)
set(tarn_external_state tarn_sqlite3)
set(tarn_external_duck dl)
set(tarn_external_server yaml-cpp)
