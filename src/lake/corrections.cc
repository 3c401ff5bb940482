#include "lake/corrections.h"

#include <fmt/core.h>

#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "event/derive.h"
#include "lake/lake.h"

namespace tarn::lake {
namespace {

event::PayloadForm form_of(std::string_view payload) {
    const auto facts = codec::validate_json(payload);
    const bool plain = facts && !facts->has_newline && codec::trim_json(payload).size() == payload.size();
    return plain ? event::PayloadForm::json : event::form_of_bytes(payload);
}

class CorrectedScan final : public Scan {
public:
    CorrectedScan(std::unique_ptr<Scan> scan, std::shared_ptr<const Corrections::OfStream> corrections)
        : scan_(std::move(scan)), corrections_(std::move(corrections)) {}

    Result<const event::StoredEvent*> next() override {
        TARN_ASSIGN(const event::StoredEvent* found, scan_->next());
        if (found == nullptr) return found;
        const Correction* correction = find_correction(corrections_, found->position);
        if (correction == nullptr) return found;
        corrected_ = *found;
        correction->replace(corrected_);
        return &corrected_;
    }
    const ScanCounts& counts() const override { return scan_->counts(); }

private:
    std::unique_ptr<Scan> scan_;
    std::shared_ptr<const Corrections::OfStream> corrections_;
    event::StoredEvent corrected_;
};

}  // namespace

Correction Correction::make(Position original, std::string payload) {
    Correction made{.original = original, .payload = std::move(payload)};
    made.form = form_of(made.payload);
    made.hash = codec::xxh3_128(made.payload);
    return made;
}

void Correction::replace(event::StoredEvent& stored) const {
    stored.payload = payload;
    stored.form = form;
    stored.hash = hash;
}

std::string Correction::id() const {
    return fmt::format("{} {}", original.stream.value,
                       event::position_text(original.partition, original.offset));
}

codec::Json Correction::to_json() const {
    codec::Json json = codec::Json::object({{"stream_id", std::uint64_t{original.stream.value}}});
    json.set("position", event::position_text(original.partition, original.offset));
    json.set("payload_base64", codec::base64_encode(payload)).set("event", event);
    return json;
}

Result<Correction> Correction::from_json(const codec::Json& json) {
    const StreamId stream{static_cast<std::uint32_t>(json["stream_id"].as_uint())};
    TARN_ASSIGN(const Position original, event::parse_position(stream, json["position"].as_string()));
    auto payload = codec::base64_decode(json["payload_base64"].as_string());
    if (!payload)
        return fail(Code::catalog_failed, fmt::format("the correction of {} of stream id {} is not whole",
                                                      json["position"].as_string(), stream.value));
    Correction correction = make(original, std::move(*payload));
    correction.event = json["event"].as_string();
    return correction;
}

Status Corrections::load(catalog::Catalog& catalog) {
    TARN_ASSIGN(const auto documents, catalog.documents(correction_kind));
    std::map<StreamId, std::shared_ptr<OfStream>> streams;
    for (const auto& document : documents) {
        TARN_ASSIGN(auto correction, Correction::from_json(document.body));
        if (correction.event.empty()) continue;
        auto& of_stream = streams[correction.original.stream];
        if (!of_stream) of_stream = std::make_shared<OfStream>();
        const Place place{correction.original.partition, correction.original.offset};
        of_stream->emplace(place, std::make_shared<const Correction>(std::move(correction)));
    }
    const std::lock_guard lock(mutex_);
    streams_.clear();
    for (auto& [stream, of_stream] : streams) streams_.emplace(stream, std::move(of_stream));
    return {};
}

std::shared_ptr<const Corrections::OfStream> Corrections::of(StreamId stream) const {
    const std::lock_guard lock(mutex_);
    const auto found = streams_.find(stream);
    return found == streams_.end() ? nullptr : found->second;
}

std::shared_ptr<const Correction> Corrections::at(Position position) const {
    const auto of_stream = of(position.stream);
    if (!of_stream) return nullptr;
    const auto found = of_stream->find({position.partition, position.offset});
    return found == of_stream->end() ? nullptr : found->second;
}

// Readers keep the map that they have: a new one takes its place.
void Corrections::put(Correction correction) {
    const std::lock_guard lock(mutex_);
    auto& known = streams_[correction.original.stream];
    auto changed = known ? std::make_shared<OfStream>(*known) : std::make_shared<OfStream>();
    const Place place{correction.original.partition, correction.original.offset};
    (*changed)[place] = std::make_shared<const Correction>(std::move(correction));
    known = std::move(changed);
}

const Correction* find_correction(const std::shared_ptr<const Corrections::OfStream>& corrections,
                                  Position position) {
    if (!corrections) return nullptr;
    const auto found = corrections->find({position.partition, position.offset});
    return found == corrections->end() ? nullptr : found->second.get();
}

Result<std::unique_ptr<Scan>> scan_corrected(Lake& lake, StreamView view, ScanOptions options) {
    auto corrections = lake.corrections().of(view.stream);
    if (options.quarantine) corrections = nullptr;
    TARN_ASSIGN(auto scan, lake.scan(std::move(view), std::move(options)));
    if (!corrections) return scan;
    return std::make_unique<CorrectedScan>(std::move(scan), std::move(corrections));
}

}  // namespace tarn::lake
