// Who may use which device: tickets wait, leases hold. Pure: requests in, grants out.
// Sets are granted at once or not at all, so nobody holds while waiting; first come, first served.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::hal {

enum class HolderId : std::uint64_t {};  // of the caller: one per unit

struct Ticket {
    HolderId holder{};
    std::vector<std::string> devices;  // sorted, each once
    std::uint64_t number = 0;          // arrival order, ever growing
};

struct DeviceView {
    std::string name;
    std::uint32_t capacity = 0;
    std::vector<HolderId> holders;  // in the order of their grants
    std::vector<HolderId> waiting;  // in the order of their arrival
};

struct Outcome {
    std::vector<HolderId> granted;                          // in order
    std::vector<std::pair<HolderId, std::string>> refused;  // and the device that does not exist
};

class Scheduler {
public:
    // The devices there are; those who wait for one that is gone are refused, those who hold it
    // keep it. A smaller capacity takes nothing away.
    Outcome set_devices(const std::map<std::string, std::uint32_t>& capacities);

    // Asks for all of `devices` (naming one twice is naming it once). A holder has at most one
    // ticket or lease set: asking for the same again keeps the place, or grants again what it
    // has; asking for others gives the former back first. No devices at all are granted at once.
    Outcome ask(HolderId holder, std::vector<std::string> devices);
    // Gives back what the holder has, or takes its ticket out of the queue. The outcome is about
    // others; nothing happens when it has neither.
    Outcome give_back(HolderId holder);

    [[nodiscard]] std::vector<DeviceView> devices() const;
    [[nodiscard]] bool holds(HolderId holder) const;
    // For each device the holder waits for that it could not have now, who is in the way: its
    // holders if it is full, and earlier tickets for it. Never empty while the holder waits.
    [[nodiscard]] std::vector<std::pair<std::string, std::vector<HolderId>>> why(
        HolderId holder) const;

    [[nodiscard]] std::string save() const;
    static Scheduler load(std::string_view saved);  // throws std::invalid_argument

private:
    Outcome grant();
    std::optional<std::string> missing(const std::vector<std::string>& devices) const;

    std::map<std::string, std::uint32_t, std::less<>> capacities_;
    std::map<HolderId, Ticket> leases_;  // `number` is the order of the grants
    std::vector<Ticket> queue_;          // by `number`: the order of arrival
    std::uint64_t next_number_ = 1;      // of tickets and grants
};

}  // namespace reeve::hal
