// Decides about one event after the other. One thread; keeps what it has to tell at the end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "replay/selection.h"

namespace tarn::replay {

// An event in shape cloudevents, made when somebody asks for it.
class DocumentOnce {
public:
    void begin(const event::StoredEvent& event, const event::Meta& meta) {
        event_ = &event;
        meta_ = &meta;
        text_.clear();
    }
    const std::string& text() {
        if (text_.empty()) event::append_shape(text_, event::Shape::cloudevents, *event_, *meta_);
        return text_;
    }

private:
    const event::StoredEvent* event_ = nullptr;
    const event::Meta* meta_ = nullptr;
    std::string text_;
};

class Chooser {
public:
    explicit Chooser(const Selection& selection);
    ~Chooser();

    struct Choice {
        bool selected = false, needed = false;
    };
    // `selects`: the stream is selected from; else only what feeders need of it counts.
    Choice choose(const event::StoredEvent& event, const event::Meta& meta, bool selects);
    // unknown_position when an id was not found.
    Status finish() const;
    std::vector<std::string> keys_without_events() const;  // of the outermost --keys

private:
    class Test;
    bool is_needed(const event::StoredEvent& event);

    const Selection& selection_;
    std::vector<Test*> with_ids_;  // before test_, which fills it
    std::unique_ptr<Test> test_;
    DocumentOnce document_;
    TextSet keys_seen_;
};

}  // namespace tarn::replay
