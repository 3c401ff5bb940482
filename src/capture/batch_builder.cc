#include "capture/batch_builder.h"

#include "codec/hash.h"

namespace tarn::capture {

void BatchBuilder::append(log::Entry entry, std::string meta) {
    payload_bytes_ += entry.payload.size();
    if (payloads_ == Payloads::copied) copies_.append(entry.payload);
    metas_.push_back(std::move(meta));
    batch_.entries.push_back(entry);
}

void BatchBuilder::add(const Stream& stream, event::Derived&& derived, std::string_view payload,
                       Partition keyless) {
    const std::uint32_t partitions = stream.info.settings.partitions;
    const Partition partition = derived.key ? event::partition_of(*derived.key, partitions) : keyless;
    append(
        {.partition = partition, .meta = {}, .payload = payload, .form = derived.form, .hash = derived.hash},
        std::move(derived.meta));
}

void BatchBuilder::add_quarantined(const Error& error, std::string_view payload, std::string_view source_name,
                                   Time at) {
    ++quarantined_;
    append({.partition = quarantine_partition,
            .meta = {},
            .payload = payload,
            .form = event::form_of_bytes(payload),
            .hash = codec::xxh3_128(payload)},
           event::quarantine_meta(error, source_name, at));
}

const log::Batch& BatchBuilder::finish(StreamId stream, log::Origin origin) {
    batch_.stream = stream;
    batch_.origin = std::move(origin);
    // Both buffers may have moved while they grew: only now do the views stand still.
    std::size_t at = 0;
    for (std::size_t i = 0; i < batch_.entries.size(); ++i) {
        log::Entry& entry = batch_.entries[i];
        entry.meta = metas_[i];
        if (payloads_ == Payloads::viewed) continue;
        const std::size_t size = entry.payload.size();
        entry.payload = std::string_view(copies_).substr(at, size);
        at += size;
    }
    return batch_;
}

void BatchBuilder::clear() {
    batch_.entries.clear();
    metas_.clear();
    copies_.clear();
    payload_bytes_ = 0;
    quarantined_ = 0;
}

}  // namespace tarn::capture
