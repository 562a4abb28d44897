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
    std::vector<std::string> devices;
    std::uint64_t number = 0;  // arrival order, ever growing
};

struct DeviceView {
    std::string name;
    std::uint32_t capacity = 0;
    std::vector<HolderId> holders;  // in the order of their grants
    std::vector<HolderId> waiting;  // in the order of their arrival
};

struct Outcome {
    std::vector<HolderId> granted;  // in order
    std::vector<std::pair<HolderId, std::string>> refused;  // and the device that does not exist
};

class Scheduler {
public:
    // The devices there are; those who wait for one that is gone are refused, those who hold it
    // keep it. A smaller capacity takes nothing away.
    Outcome set_devices(const std::map<std::string, std::uint32_t>& capacities);

    // Asks for all of `devices`. A holder has at most one ticket or lease set.
    Outcome ask(HolderId holder, std::vector<std::string> devices);
    // Gives back what the holder has, or takes its ticket out of the queue.
    Outcome give_back(HolderId holder);

    [[nodiscard]] std::vector<DeviceView> devices() const;
    [[nodiscard]] bool holds(HolderId holder) const;
    // For each device the holder waits for, who is in the way.
    [[nodiscard]] std::vector<std::pair<std::string, std::vector<HolderId>>> why(HolderId holder) const;

    [[nodiscard]] std::string save() const;
    static Scheduler load(std::string_view saved);  // throws std::invalid_argument

private:
    Outcome grant();
    std::map<std::string, std::uint32_t, std::less<>> capacities_;
    std::map<HolderId, std::vector<std::string>> leases_;
    std::vector<Ticket> queue_;
    std::uint64_t next_number_ = 1;
};

}  // namespace reeve::hal
