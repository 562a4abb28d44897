// The one thread that writes rings into files. Whatever the disk does, only this thread waits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/os/file_sink.hpp"
#include "daemon/os/log_ring.hpp"

namespace reeve::os {

class LogWriter {
public:
    struct Hooks {  // called on the writer's thread, never after the destructor
        std::function<void(const std::string& text)> tell;  // for the operator, once each
        std::function<void(std::uint32_t key)> drained;     // after a backlog
    };
    explicit LogWriter(Hooks hooks);
    ~LogWriter();  // writes what is there, within 1 s; then leaves a thread that hangs behind
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    class Job;  // one ring on its way into one file
    using JobPtr = std::shared_ptr<Job>;
    // `name` is for messages, `key` for `drained`. The first job starts the thread.
    JobPtr add(std::uint32_t key, std::string name, std::shared_ptr<const LogRing> ring,
               FileSink::Place place);
    void wake(const JobPtr& job);  // there is something new
    void change(const JobPtr& job, FileSink::Place place);
    void close(const JobPtr& job);  // the last there is; unfinished lines go out too
    void reopen();                  // all files, for whoever moved them away
    // The number of the first piece that is not written yet.
    static std::uint64_t written_to(const Job& job) noexcept;

    struct Stats {
        std::uint64_t dropped = 0, errors = 0;  // bytes; failed attempts
    };
    [[nodiscard]] Stats stats() const noexcept;

private:
    struct State;
    std::shared_ptr<State> state_;  // the thread's too
};

}  // namespace reeve::os
