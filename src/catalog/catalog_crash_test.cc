// The catalog on a disk that forgets: what has returned is there after a power cut at any call, and it opens
// by itself.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/catalog.h"
#include "os/sim_file_system.h"
#include "sqlite/file_system_vfs.h"

namespace tarn::catalog {
namespace {

struct CatalogCrash : ::testing::Test {
    os::SimFileSystem fs;
    const sqlite::FileSystemVfs vfs{fs};
    std::unique_ptr<Catalog> catalog;
    // What has returned.
    std::size_t streams = 0;
    std::uint64_t number = 0, documents = 0, rolled = 0;
    int cuts = 0;

    void check(const os::CrashPlan& plan) {
        const auto disk = fs.crash(plan);
        const sqlite::FileSystemVfs after(*disk);
        SCOPED_TRACE(fmt::format("call {} ({}), seed {}", fs.calls(), fs.trace().back(), plan.seed));
        const auto opened = Catalog::open("catalog.db", {.vfs = after.name()});
        ASSERT_TRUE(opened) << opened.error().text();
        Catalog& found = **opened;
        ASSERT_THAT(*found.problems(), testing::IsEmpty());
        ASSERT_GE(found.streams()->size(), streams + 1);
        ASSERT_GE(found.documents("plan")->size(), documents);
        ASSERT_GT(*found.next_number("run"), number);
        if (rolled > 0) {
            const auto objects = found.stream_objects(StreamId{1});
            ASSERT_GE(objects->rolled_sequence, rolled);
            ASSERT_EQ(objects->objects.size(), objects->rolled_sequence / 10)
                << "objects and position are one step";
        }
        ++cuts;
    }
    Status roll(std::uint64_t round) {
        RollCommit commit{.stream = StreamId{1}, .rolled_sequence = round * 10};
        commit.next_offsets[0] = round * 10;
        commit.objects.push_back({.name = fmt::format("raw/one~1/{}", round),
                                  .stream = StreamId{1},
                                  .first = round * 10 - 10,
                                  .last = round * 10 - 1});
        TARN_TRY(catalog->begin_roll({StreamId{1}, round * 10 - 10, round * 10}));
        return catalog->commit_roll(commit);
    }
    void SetUp() override {
        fs.after_call([this] {
            for (std::uint64_t way = 0; way < 3 && !HasFailure(); ++way)
                check({.seed = 3 * fs.calls() + way,
                       .keep = way == 0 ? os::CrashPlan::Keep::nothing : os::CrashPlan::Keep::any});
        });
    }
};

TEST_F(CatalogCrash, WhatHasReturnedIsThere) {
    const std::string text(3000, 'x');
    for (int session = 0; session < 2 && !HasFailure(); ++session) {
        catalog = *Catalog::open("catalog.db", {.vfs = vfs.name()});
        ASSERT_TRUE(catalog->create_stream(session == 0 ? "one" : "two", {}, Time{1}));
        ++streams;
        for (int i = 0; i < 3 && !HasFailure(); ++i) {
            ASSERT_TRUE(catalog->put_document(
                {"plan", fmt::format("pl-{}", documents), Time{1}, codec::Json::object({{"text", text}})}));
            ++documents;
            number = *catalog->next_number("run");
            ASSERT_TRUE(roll(rolled / 10 + 1));
            rolled += 10;
        }
        catalog.reset();  // a checkpoint
    }
    fs.after_call({});
    RecordProperty("cuts", cuts);
    EXPECT_GT(cuts, 300);
}

}  // namespace
}  // namespace tarn::catalog
