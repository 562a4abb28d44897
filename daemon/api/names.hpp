// The names of org.reeve1.xml, for the manager and its clients. std only.
#pragma once

namespace reeve::api {

inline constexpr const char* bus_name = "org.reeve1";

namespace path {
inline constexpr const char* manager = "/org/reeve1";
inline constexpr const char* unit = "/org/reeve1/unit";      // + "/" + sd_bus_path_encode(NAME)
inline constexpr const char* event = "/org/reeve1/event";    // likewise
inline constexpr const char* device = "/org/reeve1/device";  // likewise
}  // namespace path

namespace interface {
inline constexpr const char* manager = "org.reeve1.Manager";
inline constexpr const char* unit = "org.reeve1.Unit";
inline constexpr const char* event = "org.reeve1.Event";
inline constexpr const char* device = "org.reeve1.Device";
}  // namespace interface

namespace error {
inline constexpr const char* no_such_unit = "org.reeve1.Error.NoSuchUnit";
inline constexpr const char* masked = "org.reeve1.Error.Masked";
inline constexpr const char* refused = "org.reeve1.Error.Refused";
inline constexpr const char* failed = "org.reeve1.Error.Failed";
inline constexpr const char* still_waiting = "org.reeve1.Error.StillWaiting";
inline constexpr const char* cancelled = "org.reeve1.Error.Cancelled";
inline constexpr const char* access_denied = "org.reeve1.Error.AccessDenied";
inline constexpr const char* invalid_argument = "org.reeve1.Error.InvalidArgument";
inline constexpr const char* not_supported = "org.reeve1.Error.NotSupported";
inline constexpr const char* limits_exceeded = "org.reeve1.Error.LimitsExceeded";
}  // namespace error

// Values of Unit.State.
namespace state {
inline constexpr const char* down = "down";
inline constexpr const char* waiting = "waiting";
inline constexpr const char* starting = "starting";
inline constexpr const char* up = "up";
inline constexpr const char* reloading = "reloading";
inline constexpr const char* stopping = "stopping";
inline constexpr const char* killing = "killing";
inline constexpr const char* backoff = "backoff";
inline constexpr const char* done = "done";
inline constexpr const char* failed = "failed";
}  // namespace state

// Values of Unit.Asked.
namespace asked {
inline constexpr const char* none = "none";
inline constexpr const char* up = "up";
inline constexpr const char* down = "down";
}  // namespace asked

// Keys of the options of requests.
namespace option {
inline constexpr const char* id = "id";
inline constexpr const char* timeout = "timeout";
}  // namespace option

}  // namespace reeve::api
