#include "hal/posix/log.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>

namespace reeve::log {

namespace {

using Sink = std::function<void(Level, std::string_view)>;

Level level_of(spdlog::level::level_enum level) noexcept {
    if (level <= spdlog::level::debug) return Level::debug;
    if (level == spdlog::level::info) return Level::info;
    if (level == spdlog::level::warn) return Level::warn;
    return Level::error;
}

spdlog::level::level_enum spdlog_level(Level level) noexcept {
    switch (level) {
        case Level::debug: return spdlog::level::debug;
        case Level::info: return spdlog::level::info;
        case Level::warn: return spdlog::level::warn;
        case Level::error: return spdlog::level::err;
    }
    return spdlog::level::err;
}

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
public:
    explicit FunctionSink(Sink to) : to_{std::move(to)} {}

private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        to_(level_of(message.level),
            std::string_view{message.payload.data(), message.payload.size()});
    }
    void flush_() override {}

    Sink to_;
};

spdlog::logger& logger() {
    static spdlog::logger instance = [] {
        spdlog::logger made{"reeve", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
        made.set_pattern("%l: %v");
        return made;
    }();
    return instance;
}

}  // namespace

bool set_level(std::string_view word) {
    for (const Level level : {Level::debug, Level::info, Level::warn, Level::error}) {
        constexpr std::string_view words[] = {"debug", "info", "warn", "error"};
        if (word != words[static_cast<int>(level)]) continue;
        logger().set_level(spdlog_level(level));
        return true;
    }
    return false;
}

bool enabled(Level level) noexcept {
    return logger().should_log(spdlog_level(level));
}

void set_sink(Sink sink) {
    logger().sinks() = {std::make_shared<FunctionSink>(std::move(sink))};
}

void write(Level level, std::string_view text) noexcept {
    logger().log(spdlog_level(level), spdlog::string_view_t{text.data(), text.size()});
}

}  // namespace reeve::log
