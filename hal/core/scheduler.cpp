#include "hal/core/scheduler.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <stdexcept>
#include <utility>

namespace reeve::hal {
namespace {

constexpr std::string_view header = "leases 1";

// Space-separated numbers, and texts as LENGTH:BYTES, so that a name may hold anything.
class Writer {
public:
    void number(std::uint64_t value) { out_ += std::to_string(value) + ' '; }
    void text(std::string_view value) {
        out_ += std::to_string(value.size()) + ':';
        out_ += value;
        out_ += ' ';
    }
    std::string take() { return std::move(out_); }

private:
    std::string out_;
};

class Reader {
public:
    explicit Reader(std::string_view in) : in_{in} {}

    std::uint64_t number(char end = ' ') {
        std::uint64_t value = 0;
        const auto [stop, error] = std::from_chars(in_.data(), in_.data() + in_.size(), value);
        require(error == std::errc{});
        in_.remove_prefix(static_cast<std::size_t>(stop - in_.data()));
        skip(end);
        return value;
    }
    std::string text() {
        const std::uint64_t size = number(':');
        require(size <= in_.size());
        std::string value{in_.substr(0, size)};
        in_.remove_prefix(size);
        skip(' ');
        return value;
    }
    void require(bool well_formed) const {
        if (!well_formed) throw std::invalid_argument("cannot load leases: malformed state");
    }
    void finish() const { require(in_.empty()); }

private:
    void skip(char c) {
        require(!in_.empty() && in_.front() == c);
        in_.remove_prefix(1);
    }
    std::string_view in_;
};

void write_names(Writer& out, const std::vector<std::string>& names) {
    out.number(names.size());
    for (const auto& name : names) out.text(name);
}

std::vector<std::string> read_names(Reader& in) {
    std::vector<std::string> names;
    for (auto left = in.number(); left > 0; --left) names.push_back(in.text());
    // As ask() leaves them; contains() below relies on it.
    in.require(std::ranges::adjacent_find(names, std::ranges::greater_equal{}) == names.end());
    return names;
}

bool contains(const std::vector<std::string>& sorted, std::string_view name) {
    return std::ranges::binary_search(sorted, name, std::less<>{});
}

}  // namespace

Outcome Scheduler::set_devices(const std::map<std::string, std::uint32_t>& capacities) {
    capacities_ = {capacities.begin(), capacities.end()};
    Outcome refusals;
    std::erase_if(queue_, [&](const Ticket& ticket) {
        const auto gone = missing(ticket.devices);
        if (gone) refusals.refused.emplace_back(ticket.holder, *gone);
        return gone.has_value();
    });
    Outcome outcome = grant();
    outcome.refused = std::move(refusals.refused);
    return outcome;
}

Outcome Scheduler::ask(HolderId holder, std::vector<std::string> devices) {
    std::ranges::sort(devices);
    devices.erase(std::unique(devices.begin(), devices.end()), devices.end());

    if (const auto lease = leases_.find(holder); lease != leases_.end()) {
        if (lease->second.devices == devices) return {{holder}, {}};
        leases_.erase(lease);
    }
    const auto ticket = std::ranges::find(queue_, holder, &Ticket::holder);
    if (ticket != queue_.end()) {
        if (ticket->devices == devices) return {};  // keeps its place
        queue_.erase(ticket);
    }
    if (const auto gone = missing(devices)) {
        Outcome outcome = grant();  // what it had before may be another's now
        outcome.refused.emplace_back(holder, *gone);
        return outcome;
    }
    queue_.push_back({holder, std::move(devices), next_number_++});
    return grant();
}

Outcome Scheduler::give_back(HolderId holder) {
    const auto had = leases_.erase(holder);
    const auto waited = std::erase_if(queue_, [&](const Ticket& t) { return t.holder == holder; });
    return had + waited > 0 ? grant() : Outcome{};
}

// First come, first served, per device: a ticket may pass an earlier one only if the two share no
// device at all, whether or not that device has room just now. To share one with room would be to
// take it away under the earlier one, which could then wait for ever for all its devices at once.
// A ticket whose devices nobody earlier wants is never held up by the rest of the queue.
Outcome Scheduler::grant() {
    std::map<std::string, std::uint32_t, std::less<>> free = capacities_;
    for (const auto& [holder, lease] : leases_) {
        for (const auto& device : lease.devices) {
            // Neither a device that is gone nor one made smaller has less than nothing left.
            if (const auto it = free.find(device); it != free.end() && it->second > 0) --it->second;
        }
    }
    std::set<std::string, std::less<>> claimed;  // by tickets that stay in the queue
    Outcome outcome;
    std::vector<Ticket> waiting;
    for (auto& ticket : queue_) {
        const bool obtainable = std::ranges::all_of(ticket.devices, [&](const std::string& device) {
            return !claimed.contains(device) && free.at(device) > 0;
        });
        if (!obtainable) {
            claimed.insert(ticket.devices.begin(), ticket.devices.end());
            waiting.push_back(std::move(ticket));
            continue;
        }
        for (const auto& device : ticket.devices) --free.at(device);
        outcome.granted.push_back(ticket.holder);
        ticket.number = next_number_++;
        leases_.insert_or_assign(ticket.holder, std::move(ticket));
    }
    queue_ = std::move(waiting);
    return outcome;
}

std::optional<std::string> Scheduler::missing(const std::vector<std::string>& devices) const {
    for (const auto& device : devices) {
        if (!capacities_.contains(device)) return device;
    }
    return std::nullopt;
}

std::vector<DeviceView> Scheduler::devices() const {
    std::vector<const Ticket*> leases;
    for (const auto& [holder, lease] : leases_) leases.push_back(&lease);
    std::ranges::sort(leases, {}, &Ticket::number);

    std::vector<DeviceView> views;
    for (const auto& [name, capacity] : capacities_) {
        DeviceView view{name, capacity, {}, {}};
        for (const auto* lease : leases) {
            if (contains(lease->devices, name)) view.holders.push_back(lease->holder);
        }
        for (const auto& ticket : queue_) {
            if (contains(ticket.devices, name)) view.waiting.push_back(ticket.holder);
        }
        views.push_back(std::move(view));
    }
    return views;
}

bool Scheduler::holds(HolderId holder) const {
    return leases_.contains(holder);
}

std::vector<std::pair<std::string, std::vector<HolderId>>> Scheduler::why(HolderId holder) const {
    const auto ticket = std::ranges::find(queue_, holder, &Ticket::holder);
    if (ticket == queue_.end()) return {};
    const auto views = devices();
    std::vector<std::pair<std::string, std::vector<HolderId>>> reasons;
    for (const auto& device : ticket->devices) {
        const auto& view = *std::ranges::find(views, device, &DeviceView::name);
        const bool full = view.holders.size() >= view.capacity;
        std::vector<HolderId> in_the_way;
        if (full) in_the_way = view.holders;
        const auto self = std::ranges::find(view.waiting, holder);
        in_the_way.insert(in_the_way.end(), view.waiting.begin(), self);
        if (full || !in_the_way.empty()) reasons.emplace_back(device, std::move(in_the_way));
    }
    return reasons;
}

std::string Scheduler::save() const {
    Writer out;
    const auto write = [&](const Ticket& ticket) {
        out.number(static_cast<std::uint64_t>(ticket.holder));
        out.number(ticket.number);
        write_names(out, ticket.devices);
    };
    out.text(header);
    out.number(next_number_);
    out.number(capacities_.size());
    for (const auto& [name, capacity] : capacities_) {
        out.text(name);
        out.number(capacity);
    }
    out.number(leases_.size());
    for (const auto& [holder, lease] : leases_) write(lease);
    out.number(queue_.size());
    for (const auto& ticket : queue_) write(ticket);
    return out.take();
}

Scheduler Scheduler::load(std::string_view saved) {
    Reader in{saved};
    Scheduler loaded;
    in.require(in.text() == header);
    loaded.next_number_ = in.number();
    for (auto left = in.number(); left > 0; --left) {
        const auto name = in.text();
        const auto capacity = in.number();
        in.require(std::in_range<std::uint32_t>(capacity));
        in.require(loaded.capacities_.emplace(name, static_cast<std::uint32_t>(capacity)).second);
    }
    const auto read = [&] {
        Ticket ticket;
        ticket.holder = HolderId{in.number()};
        ticket.number = in.number();
        ticket.devices = read_names(in);
        in.require(ticket.number < loaded.next_number_ && !loaded.leases_.contains(ticket.holder));
        return ticket;
    };
    for (auto left = in.number(); left > 0; --left) {
        Ticket lease = read();
        loaded.leases_.emplace(lease.holder, std::move(lease));
    }
    for (auto left = in.number(); left > 0; --left) {
        Ticket ticket = read();
        in.require(std::ranges::find(loaded.queue_, ticket.holder, &Ticket::holder) ==
                   loaded.queue_.end());
        in.require(loaded.queue_.empty() || loaded.queue_.back().number < ticket.number);
        in.require(!loaded.missing(ticket.devices));
        loaded.queue_.push_back(std::move(ticket));
    }
    in.finish();
    return loaded;
}

}  // namespace reeve::hal
