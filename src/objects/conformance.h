// What every ObjectStore must do, as tests to be called from a test with an empty store. Written against the
// interface alone.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "objects/object_store.h"

namespace tarn::objects::conformance {

inline std::vector<std::string> names_of(ObjectStore& store, const std::string& prefix) {
    std::vector<std::string> names;
    const auto listed = store.list(prefix);
    EXPECT_TRUE(listed.has_value());
    if (listed)
        for (const ObjectEntry& entry : *listed) names.push_back(entry.name);
    return names;
}

// All byte values, longer than any page.
inline std::string binary_bytes(std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 7 + i / 256);
    return bytes;
}

inline void gives_back_what_was_put(ObjectStore& store) {
    const std::string bytes = binary_bytes(100'000);
    ASSERT_TRUE(store.put_if_absent("raw/bank~1/dt=2026-11-20/hh=18/0-0-2511.ndjson.zst", bytes));
    EXPECT_EQ(store.get("raw/bank~1/dt=2026-11-20/hh=18/0-0-2511.ndjson.zst").value(), bytes);
    EXPECT_EQ(store.size("raw/bank~1/dt=2026-11-20/hh=18/0-0-2511.ndjson.zst").value(), bytes.size());
    ASSERT_TRUE(store.put_if_absent("empty", ""));
    EXPECT_EQ(store.get("empty").value(), "");
    EXPECT_EQ(store.size("empty").value(), 0u);
}

inline void reads_ranges(ObjectStore& store) {
    const std::string bytes = binary_bytes(70'000);
    ASSERT_TRUE(store.put_if_absent("ranges/a", bytes));
    EXPECT_EQ(store.get_range("ranges/a", 0, 1).value(), bytes.substr(0, 1));
    EXPECT_EQ(store.get_range("ranges/a", 65'530, 20).value(), bytes.substr(65'530, 20));
    EXPECT_EQ(store.get_range("ranges/a", 69'999, 1000).value(), bytes.substr(69'999));
    EXPECT_EQ(store.get_range("ranges/a", 70'000, 1).value(), "");
    EXPECT_EQ(store.get_range("ranges/a", UINT64_MAX, UINT64_MAX).value(), "");
    EXPECT_EQ(store.get_range("ranges/a", 5, 0).value(), "");
    EXPECT_EQ(store.get_range("ranges/a", 1, UINT64_MAX).value(), bytes.substr(1));
}

inline void puts_only_once(ObjectStore& store) {
    ASSERT_TRUE(store.put_if_absent("once/a", "first"));
    const Status again = store.put_if_absent("once/a", "second, and longer");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::object_exists);
    EXPECT_NE(again.error().message.find("once/a"), std::string::npos);
    EXPECT_EQ(store.get("once/a").value(), "first");
    EXPECT_EQ(names_of(store, "once/"), std::vector<std::string>{"once/a"});
}

inline void says_what_is_missing(ObjectStore& store) {
    ASSERT_TRUE(store.put_if_absent("folder/a", "x"));
    for (const std::string name : {"absent", "absent/deep/down", "folder", "folder/a/b"}) {
        EXPECT_EQ(store.get(name).error().code, Code::object_missing) << name;
        EXPECT_EQ(store.get_range(name, 0, 1).error().code, Code::object_missing) << name;
        EXPECT_EQ(store.size(name).error().code, Code::object_missing) << name;
        EXPECT_TRUE(store.remove(name)) << name;
    }
    EXPECT_EQ(store.get("folder/a").value(), "x");
}

// A prefix is a string, not a directory: it may end in the middle of a name.
inline void lists_by_prefix_in_byte_order(ObjectStore& store) {
    for (const std::string name : {"l/b", "l/a/2", "l/a/10", "l/a-b", "l/a.b", "l/B", "m/x"})
        ASSERT_TRUE(store.put_if_absent(name, name));
    using Names = std::vector<std::string>;
    EXPECT_EQ(names_of(store, "l/"), (Names{"l/B", "l/a-b", "l/a.b", "l/a/10", "l/a/2", "l/b"}));
    EXPECT_EQ(names_of(store, "l/a"), (Names{"l/a-b", "l/a.b", "l/a/10", "l/a/2"}));
    EXPECT_EQ(names_of(store, "l/a/"), (Names{"l/a/10", "l/a/2"}));
    EXPECT_EQ(names_of(store, "l/a/1"), (Names{"l/a/10"}));
    EXPECT_EQ(names_of(store, "nothing/here"), Names{});
    const auto listed = store.list("l/a/10");
    ASSERT_EQ(listed->size(), 1u);
    EXPECT_EQ(listed->front().size, 6u);
}

inline void removes(ObjectStore& store) {
    ASSERT_TRUE(store.put_if_absent("r/a", "1"));
    ASSERT_TRUE(store.put_if_absent("r/b", "2"));
    ASSERT_TRUE(store.remove("r/a"));
    EXPECT_EQ(store.get("r/a").error().code, Code::object_missing);
    EXPECT_EQ(names_of(store, "r/"), std::vector<std::string>{"r/b"});
    ASSERT_TRUE(store.remove("r/a"));
    ASSERT_TRUE(store.put_if_absent("r/a", "again"));
    EXPECT_EQ(store.get("r/a").value(), "again");
}

inline void refuses_bad_names(ObjectStore& store) {
    const std::string nul("a\0b", 3);
    for (const std::string& name :
         {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
          std::string("../a"), std::string("a/../b"), std::string("a/./b"), std::string("a b"),
          std::string("a\\b"), std::string("\xC3\xA4"), std::string("#incoming/1"), nul,
          std::string(2000, 'a'), std::string(300, 'a')}) {
        EXPECT_EQ(store.put_if_absent(name, "x").error().code, Code::bad_object_name) << name;
        EXPECT_EQ(store.get(name).error().code, Code::bad_object_name) << name;
        EXPECT_EQ(store.get_range(name, 0, 1).error().code, Code::bad_object_name) << name;
        EXPECT_EQ(store.size(name).error().code, Code::bad_object_name) << name;
        EXPECT_EQ(store.remove(name).error().code, Code::bad_object_name) << name;
        EXPECT_EQ(store.local_path(name), "") << name;
    }
    EXPECT_TRUE(store.put_if_absent("...a/b..c/%41=~+@-_", "x"));
}

// Of many who put the same name, exactly one wins, and its bytes stay.
inline void one_of_many_writers_wins(ObjectStore& store) {
    constexpr int writers = 8;
    std::vector<int> won(writers, 0);
    std::vector<std::thread> threads;
    for (int i = 0; i < writers; ++i)
        threads.emplace_back([&store, &won, i] {
            const Status put = store.put_if_absent("race/a", std::string(1000, static_cast<char>('a' + i)));
            if (put)
                won[static_cast<std::size_t>(i)] = 1;
            else
                EXPECT_EQ(put.error().code, Code::object_exists);
        });
    for (std::thread& thread : threads) thread.join();
    int winners = 0;
    for (int i = 0; i < writers; ++i) {
        if (won[static_cast<std::size_t>(i)] == 0) continue;
        ++winners;
        EXPECT_EQ(store.get("race/a").value(), std::string(1000, static_cast<char>('a' + i)));
    }
    EXPECT_EQ(winners, 1);
}

inline void object_store_conformance(ObjectStore& store) {
    gives_back_what_was_put(store);
    reads_ranges(store);
    puts_only_once(store);
    says_what_is_missing(store);
    lists_by_prefix_in_byte_order(store);
    removes(store);
    refuses_bad_names(store);
    one_of_many_writers_wins(store);
}

}  // namespace tarn::objects::conformance
