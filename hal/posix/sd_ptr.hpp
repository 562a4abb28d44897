// unique_ptrs for libsystemd objects; each names how its object is let go.
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <memory>

namespace reeve::posix {

template <auto Unref>
struct Release {
    template <class T>
    void operator()(T* object) const noexcept {
        Unref(object);
    }
};

using EventPtr = std::unique_ptr<sd_event, Release<sd_event_unref>>;
// disable_unref, not unref: the loop holds a reference of its own while it dispatches, and a
// plain unref would let the callback run once more on a `userdata` that is gone.
using SourcePtr = std::unique_ptr<sd_event_source, Release<sd_event_source_disable_unref>>;
using BusPtr = std::unique_ptr<sd_bus, Release<sd_bus_flush_close_unref>>;
using SlotPtr = std::unique_ptr<sd_bus_slot, Release<sd_bus_slot_unref>>;
using MessagePtr = std::unique_ptr<sd_bus_message, Release<sd_bus_message_unref>>;

}  // namespace reeve::posix
