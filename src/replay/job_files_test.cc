// The two files of a job: manifest and ledger. Golden bytes, damage, torn tails.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "os/sim_file_system.h"
#include "replay/ledger.h"
#include "replay/manifest.h"

namespace tarn::replay {
namespace {

ManifestEntry entry_number(std::uint64_t n) {
    return {.stream = StreamId{3},
            .partition = static_cast<Partition>(n % 4),
            .offset = n / 4,
            .sequence = 100 + n,
            .key_hash = n * 77,
            .hash = Hash128{n, ~n},
            .time_us = 1'700'000'000'000'000 + static_cast<std::int64_t>(n),
            .bytes = static_cast<std::uint32_t>(n % 1000)};
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return text;
}

ManifestSummary write_manifest(os::FileSystem& fs, std::uint64_t entries) {
    auto writer = ManifestWriter::create(fs, "/job/manifest.bin", "/job/manifest.bin.part");
    for (std::uint64_t n = 0; n < entries; ++n) EXPECT_TRUE((*writer)->add(entry_number(n)));
    return *(*writer)->finish();
}

bool same(const ManifestEntry& a, const ManifestEntry& b) {
    return a.stream == b.stream && a.partition == b.partition && a.offset == b.offset &&
           a.sequence == b.sequence && a.key_hash == b.key_hash && a.hash == b.hash &&
           a.time_us == b.time_us && a.bytes == b.bytes;
}

class JobFiles : public testing::Test {
protected:
    JobFiles() { EXPECT_TRUE(fs.make_directories("/job")); }
    os::SimFileSystem fs;
};

TEST_F(JobFiles, manifest_gives_back_what_was_written_from_any_place) {
    for (const std::uint64_t entries : {0u, 1u, 1023u, 1024u, 1025u, 3000u}) {
        write_manifest(fs, entries);
        const auto reader = ManifestReader::open(fs, "/job/manifest.bin");
        ASSERT_TRUE(reader) << reader.error().text();
        EXPECT_TRUE((*reader)->check());
        ASSERT_EQ((*reader)->entries(), entries);
        for (const std::uint64_t from : {std::uint64_t{0}, entries / 2, entries}) {
            (*reader)->seek(from);
            ManifestEntry entry;
            std::uint64_t n = from;
            for (; *(*reader)->next(entry); ++n) ASSERT_TRUE(same(entry, entry_number(n))) << n;
            EXPECT_EQ(n, entries);
        }
    }
}

TEST_F(JobFiles, manifest_golden_bytes) {
    write_manifest(fs, 1);
    const std::string bytes = *os::read_file(fs, "/job/manifest.bin");
    EXPECT_EQ(
        hex(bytes),
        "5441524e4d414e0a0100000040000000000400000000000000000000361f89c4"  // header: magic, version 1,
                                                                            // record 64, block 1024, crc32c
        "01000000653e685b"                                                  // block: 1 record, crc32c
        "0300000000000000000000000000000064000000000000000000000000000000"  // stream 3, partition 0, offset
                                                                            // 0, sequence 100, key hash 0
        "0000000000000000ffffffffffffffff00401e18240a06000000000000000000"  // hash, time, bytes, padding
        "5441524e454e440a01000000000000005f8cde61dde4c6acaa0be769f96fefa178cf80632bb20f04a7ad619ac0eafb4ec3ec"
        "e1bc00000000"  // seal: magic, 1 entry, sha256, crc32c, padding
    );
}

TEST_F(JobFiles, every_flipped_byte_of_a_manifest_is_noticed) {
    write_manifest(fs, 3);
    const std::size_t size = os::read_file(fs, "/job/manifest.bin")->size();
    for (std::size_t at = 0; at < size - 4; ++at) {  // the last four bytes are padding
        fs.damage("/job/manifest.bin", at, 0x10);
        const auto reader = ManifestReader::open(fs, "/job/manifest.bin");
        const bool noticed = !reader || !(*reader)->check();
        EXPECT_TRUE(noticed) << "byte " << at;
        fs.damage("/job/manifest.bin", at, 0x10);
    }
    EXPECT_TRUE((*ManifestReader::open(fs, "/job/manifest.bin"))->check());
}

LedgerRecord record(LedgerKind kind, std::uint64_t first, std::uint32_t count, std::string text = "") {
    return {.kind = kind,
            .attempts = 1,
            .count = count,
            .first = first,
            .at = Time{1'700'000'000'000'000},
            .text = std::move(text)};
}

std::unique_ptr<Ledger> open_ledger(os::FileSystem& fs) {
    auto ledger = Ledger::open(fs, "/job/ledger.bin", 100, std::string(64, 'a'));
    EXPECT_TRUE(ledger) << ledger.error().text();
    return ledger ? std::move(*ledger) : nullptr;
}

TEST_F(JobFiles, ledger_joins_neighbours_and_counts) {
    auto ledger = open_ledger(fs);
    for (std::uint64_t i = 0; i < 10; ++i) ledger->add(record(LedgerKind::acknowledged, i, 1));
    ledger->add(record(LedgerKind::failed, 10, 1, "HTTP 400"));
    ASSERT_TRUE(ledger->commit());
    std::vector<LedgerRecord> read;
    const auto state = read_ledger(fs, "/job/ledger.bin", [&read](const LedgerRecord& one) {
        read.push_back(one);
        return Status();
    });
    ASSERT_TRUE(state);
    EXPECT_EQ(state->settled, 11u);
    EXPECT_EQ(state->acknowledged, 10u);
    EXPECT_EQ(state->failed, 1u);
    ASSERT_EQ(read.size(), 2u);
    EXPECT_EQ(read[0].count, 10u);
    EXPECT_EQ(read[1].text, "HTTP 400");
}

TEST_F(JobFiles, ledger_golden_bytes) {
    auto ledger = open_ledger(fs);
    ledger->add(record(LedgerKind::acknowledged, 0, 5));
    ledger->add(record(LedgerKind::failed, 5, 1, "no"));
    ASSERT_TRUE(ledger->commit());
    EXPECT_EQ(hex(*os::read_file(fs, "/job/ledger.bin")),
              "5441524e4c44470a010000000100000064000000000000006161616161616161616161616161616161616161616161"
              "616161616161616161000000003764022c"  // header: magic, version 1, epoch 1, 100 entries,
                                                    // manifest, crc32c
              "32000000ebaef9700100000000000000"    // frame: 50 bytes, crc32c, number 1
              "0101000005000000000000000000000000401e18240a0600"      // acknowledged, 5 events from 0
              "0301020001000000050000000000000000401e18240a06006e6f"  // failed, 1 event, "no"
    );
}

TEST_F(JobFiles, what_is_settled_ahead_of_its_turn_counts_once) {
    auto ledger = open_ledger(fs);
    ledger->add(record(LedgerKind::acknowledged, 0, 5));
    ledger->add(record(ahead_of_turn(LedgerKind::acknowledged), 7, 3));
    ledger->add(record(ahead_of_turn(LedgerKind::failed), 11, 1, "no"));
    ASSERT_TRUE(ledger->commit());
    ledger = open_ledger(fs);
    EXPECT_EQ(ledger->state().settled, 5u);
    EXPECT_EQ(ledger->state().acknowledged, 8u);
    EXPECT_EQ(ledger->state().failed, 1u);
    ASSERT_EQ(ledger->state().ahead.size(), 4u);
    EXPECT_EQ(ledger->state().ahead.at(11).text, "no");

    // In their turn; and told again, as a session does that was cut off before it read this.
    ledger->add(record(LedgerKind::acknowledged, 5, 5));
    ledger->add(record(ahead_of_turn(LedgerKind::acknowledged), 9, 1));
    ASSERT_TRUE(ledger->commit());
    ledger = open_ledger(fs);
    EXPECT_EQ(ledger->state().settled, 10u);
    EXPECT_EQ(ledger->state().acknowledged, 10u);
    EXPECT_EQ(ledger->state().accounted(), 11u);
    EXPECT_EQ(ledger->state().ahead.size(), 1u);
}

TEST_F(JobFiles, a_torn_tail_is_cut_at_every_length) {
    auto ledger = open_ledger(fs);
    ledger->add(record(LedgerKind::acknowledged, 0, 5));
    ASSERT_TRUE(ledger->commit());
    const std::size_t good = os::read_file(fs, "/job/ledger.bin")->size();
    ledger->add(record(LedgerKind::acknowledged, 5, 5));
    ASSERT_TRUE(ledger->commit());
    const std::string whole = *os::read_file(fs, "/job/ledger.bin");
    ledger.reset();
    for (std::size_t size = good; size < whole.size(); ++size) {
        ASSERT_TRUE((*fs.open("/job/ledger.bin", os::OpenMode::read_write))->truncate(size));
        const auto again = open_ledger(fs);
        EXPECT_EQ(again->state().settled, 5u) << size;
        EXPECT_EQ(again->torn_bytes(), size - good);
        ASSERT_TRUE(os::write_file_durably(fs, "/job/ledger.bin", whole));
    }
    EXPECT_EQ(open_ledger(fs)->state().settled, 10u);
}

TEST_F(JobFiles, damage_before_the_last_frame_is_not_taken_for_a_torn_tail) {
    auto ledger = open_ledger(fs);
    for (std::uint64_t i = 0; i < 3; ++i) {
        ledger->add(record(LedgerKind::acknowledged, i, 1));
        ASSERT_TRUE(ledger->commit());
    }
    fs.damage("/job/ledger.bin", ledger_header_bytes + ledger_frame_header_bytes + 3, 1);
    const auto again = Ledger::open(fs, "/job/ledger.bin", 100, std::string(64, 'a'));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::ledger_damaged);
    EXPECT_EQ(again.error().place.byte, ledger_header_bytes);
}

TEST_F(JobFiles, a_ledger_of_another_manifest_is_refused) {
    open_ledger(fs);
    const auto other = Ledger::open(fs, "/job/ledger.bin", 100, std::string(64, 'b'));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, Code::ledger_damaged);
}

// Cut the power after every call: what was committed is there, what was not may be there, nothing else.
TEST_F(JobFiles, power_cuts_lose_no_committed_frame) {
    std::uint64_t committed = 0, added = 0;
    int states = 0;
    const auto check = [&] {
        for (std::uint64_t seed = 0; seed < 8; ++seed, ++states) {
            const auto disk = fs.crash({.seed = seed});
            const auto ledger = Ledger::open(*disk, "/job/ledger.bin", 100, std::string(64, 'a'));
            ASSERT_TRUE(ledger) << ledger.error().text();
            EXPECT_GE((*ledger)->state().settled, committed);
            EXPECT_LE((*ledger)->state().settled, added);
        }
    };
    fs.after_call(check);
    auto ledger = open_ledger(fs);
    for (std::uint64_t i = 0; i < 20; ++i) {
        // A long text lets a frame span sectors, so that it can be torn.
        ledger->add(record(LedgerKind::failed, i, 1, std::string(700, 'x')));
        added = i + 1;
        ASSERT_TRUE(ledger->commit());
        committed = added;
    }
    EXPECT_GT(states, 300);
}

}  // namespace
}  // namespace tarn::replay
