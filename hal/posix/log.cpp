#include "hal/posix/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/sink.h>

#include <cstdio>

#include "hal/posix/escaped.hpp"

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

// Without a pattern: spdlog's formatter of patterns alone is larger than the rest of it.
class FunctionSink final : public spdlog::sinks::sink {
public:
    explicit FunctionSink(Sink to) : to_{std::move(to)} {}

    void log(const spdlog::details::log_msg& message) override {
        const std::lock_guard lock{mutex_};
        // What others called their files and units is told as one line.
        to_(level_of(message.level),
            posix::escaped({message.payload.data(), message.payload.size()}));
    }
    void flush() override {}
    void set_pattern(const std::string&) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

private:
    std::mutex mutex_;
    Sink to_;
};

void write_to_stderr(Level level, std::string_view text) {
    constexpr const char* words[] = {"debug", "info", "warning", "error"};
    std::fprintf(stderr, "%s: %.*s\n", words[static_cast<int>(level)],
                 static_cast<int>(text.size()), text.data());
}

spdlog::logger& logger() {
    static spdlog::logger instance{"reeve", std::make_shared<FunctionSink>(write_to_stderr)};
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
